"""Whether a rollout may begin, what is seen of it, and what is told of its end."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from ansible_collections.twine.platform.plugins.module_utils._aws.errors import Failure
from ansible_collections.twine.platform.plugins.module_utils._rollout.follow import Follower, Observation, explanation, state
from ansible_collections.twine.platform.plugins.module_utils._rollout.group import Group, Groups, Machine, Refresh
from ansible_collections.twine.platform.plugins.module_utils._rollout.preflight import preflight


def machine(number: int = 1, **facts: Any) -> Machine:
    return Machine(**({"id": f"i-{number}", "lifecycle": "InService", "healthy": True, "version": "1", "target": "healthy"} | facts))


def group(serving: int = 2, desired: int = 2, most: int = 5, suspended: tuple[str, ...] = ()) -> Group:
    return Group("g", desired, 1, most, tuple(machine(number) for number in range(serving)), suspended)


def refresh(status: str, reason: str = "") -> Refresh:
    return Refresh("r-1", status, reason, 40, 3)


@pytest.mark.parametrize(
    ("facts", "serves"),
    [
        ({}, True),
        ({"target": ""}, True),
        ({"target": "initial"}, False),
        ({"target": "draining"}, False),
        ({"target": "unhealthy"}, False),
        ({"lifecycle": "Pending"}, False),
        ({"lifecycle": "Terminating"}, False),
        ({"healthy": False}, False),
    ],
)
def test_a_machine_serves_when_the_group_and_the_balancer_say_so(facts: dict[str, Any], serves: bool) -> None:
    assert machine(**facts).serves is serves


@pytest.mark.parametrize(
    ("desired", "percent", "floor"),
    [(2, 100, 2), (5, 100, 5), (5, 90, 5), (10, 75, 8), (1, 0, 0)],
)
def test_the_floor_is_of_live_desired_capacity_rounded_up(desired: int, percent: int, floor: int) -> None:
    assert preflight(group(desired, desired, 20), None, percent).floor == floor


@pytest.mark.parametrize(
    ("found", "earlier", "told"),
    [
        (group(), None, None),
        (group(), refresh("Successful"), None),
        (group(), refresh("RollbackSuccessful"), None),
        (group(), refresh("InProgress"), "its refresh r-1 is InProgress (40 %)"),
        (group(), refresh("Pending"), "cancel-instance-refresh"),
        (group(), refresh("RollbackInProgress"), "Wait for its end"),
        (group(suspended=("AlarmNotification",)), None, "resume-processes"),
        (group(suspended=("AZRebalance",)), None, None),
        (group(serving=1), None, "1 of 2 machines serve, and 2 must"),
        (group(5, 5, 5), None, "a spike in the middle of the rollout could not be answered"),
    ],
)
def test_a_rollout_begins_only_where_it_can_end_well(found: Group, earlier: Refresh | None, told: str | None) -> None:
    problems = preflight(found, earlier, 100).problems
    assert (not problems) if told is None else (len(problems) == 1 and told in problems[0])


def test_a_full_group_can_be_accepted() -> None:
    assert preflight(group(5, 5, 5), None, 100, accept_full=True).problems == ()


class Client:
    """Answers as AWS does, one answer after the other, the last one for ever."""

    def __init__(self, answers: dict[str, list[Any]]) -> None:
        self.answers = answers

    def __getattr__(self, operation: str) -> Any:
        def call(**_asked: Any) -> Any:
            left = self.answers[operation]
            answer = left.pop(0) if len(left) > 1 else left[0]
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call


def raw_group(*machines: tuple[str, str, str], desired: int = 2) -> dict[str, Any]:
    items = [
        {"InstanceId": name, "LifecycleState": lifecycle, "HealthStatus": "Healthy", "LaunchTemplate": {"Version": version}}
        for name, lifecycle, version in machines
    ]
    found = {"AutoScalingGroupName": "g", "DesiredCapacity": desired, "MinSize": 1, "MaxSize": 5, "Instances": items, "SuspendedProcesses": []}
    return {"AutoScalingGroups": [found]}


def health(**states: str) -> dict[str, Any]:
    described = {"unhealthy": {"Reason": "Target.ResponseCodeMismatch", "Description": "Health checks failed with these codes: [503]"}}
    found = [
        {"Target": {"Id": name.replace("_", "-")}, "TargetHealth": {"State": value, **described.get(value, {})}} for name, value in states.items()
    ]
    return {"TargetHealthDescriptions": found}


def groups(**answers: list[Any]) -> Groups:
    client = Client(answers)
    return Groups("prod", lambda service: client)


def test_a_group_is_read_with_what_its_balancer_thinks() -> None:
    asked = groups(
        describe_auto_scaling_groups=[raw_group(("i-1", "InService", "1"), ("i-2", "InService", "2"), ("i-3", "Pending", "2"))],
        describe_target_health=[health(i_1="healthy", i_2="unhealthy")],
    )
    found = asked.group("g", "arn")
    assert found is not None
    assert (found.serving, found.versions()) == (1, {"1": 1})
    assert found.ailing() == {"i-2": "Target.ResponseCodeMismatch: Health checks failed with these codes: [503]"}


def test_a_group_that_is_gone_is_none() -> None:
    assert groups(describe_auto_scaling_groups=[{"AutoScalingGroups": []}]).group("g") is None


@pytest.mark.parametrize(
    ("activities", "told"),
    [
        ([{"StatusCode": "Successful"}, {"StatusCode": "Failed", "StatusMessage": "no capacity"}], "no capacity"),
        ([{"StatusCode": "Successful"}], ""),
    ],
)
def test_the_last_failed_activity_is_found(activities: list[dict[str, str]], told: str) -> None:
    assert groups(describe_scaling_activities=[{"Activities": activities}]).failed_activity("g") == told


def test_an_error_is_a_sentence_with_the_account() -> None:
    with pytest.raises(Failure, match="Failed to describe instance refreshes prod/g: lost"):
        groups(describe_instance_refreshes=[OSError("lost")]).refresh("g")


class Told:
    """Keeps lines, and tells when an awaited one came."""

    def __init__(self, awaited: str) -> None:
        self.lines: list[str] = []
        self.awaited = threading.Event()
        self.text = awaited

    def __call__(self, line: str) -> None:
        self.lines.append(line)
        if self.text in line:
            self.awaited.set()


def test_following_sees_the_fewest_and_the_new_refresh_and_says_each_state_once() -> None:
    def look(*machines: tuple[str, str, str]) -> dict[str, Any]:
        return raw_group(*machines)

    two = look(("i-1", "InService", "1"), ("i-2", "InService", "1"))
    one = look(("i-1", "InService", "1"), ("i-2", "Terminating", "1"))
    end = look(("i-3", "InService", "2"), ("i-4", "InService", "2"))
    raw = {"InstanceRefreshId": "r-2", "Status": "InProgress", "PercentageComplete": 50, "InstancesToUpdate": 1}
    asked = groups(
        describe_auto_scaling_groups=[two, OSError("away"), one, one, end],
        describe_instance_refreshes=[{"InstanceRefreshes": []}, {"InstanceRefreshes": [raw]}],
    )
    told = Told("2 on version 2")
    with Follower(asked, group(), None, "", told, interval=0.01) as follower:
        assert told.awaited.wait(10)
    assert follower.seen.lowest_serving == 1
    assert follower.seen.refresh is not None and follower.seen.refresh.id == "r-2"
    assert [line.rpartition(" s  ")[2] for line in told.lines] == [
        "not begun; 2 serve, 2 are wanted: 2 on version 1",
        "cannot be seen at the moment (Failed to describe auto scaling groups prod/g: away. Read the message, correct its cause, run again.)",
        "InProgress 50 %, 1 to go; 1 serve, 2 are wanted: 1 on version 1",
        "InProgress 50 %, 1 to go; 2 serve, 2 are wanted: 2 on version 2",
    ]


def test_an_earlier_refresh_is_not_taken_for_this_one() -> None:
    raw = {"InstanceRefreshId": "r-1", "Status": "Successful"}
    asked = groups(describe_auto_scaling_groups=[raw_group(("i-1", "InService", "1"))], describe_instance_refreshes=[{"InstanceRefreshes": [raw]}])
    told = Told("1 serve")
    with Follower(asked, group(), refresh("Successful"), "", told, interval=0.01) as follower:
        assert told.awaited.wait(10)
    assert follower.seen.refresh is None


def test_the_end_is_explained() -> None:
    refreshes = {"r-1": refresh("Failed", "No progress."), "r-2": refresh("Successful")}
    seen = Observation(1, 3, refreshes, group(), {"i-9": "Health checks failed."}, "No capacity.")
    assert explanation(seen) == (
        "The refresh ended Failed: No progress. The way back ended Successful. Machine i-9 got no requests: Health checks failed. "
        "The group said: No capacity. Now 2 machines serve and 2 are wanted; never fewer than 1 served meanwhile."
    )
    assert state(group(0), None) == "not begun; 0 serve, 2 are wanted: none"
