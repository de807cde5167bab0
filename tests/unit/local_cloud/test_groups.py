"""A group's loop, look by look, with machines that are records only."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from ministack.services import alb, autoscaling, cloudwatch, ec2

from local_cloud.plugin import balancers, groups, instances, metrics, refresh, scaling, settings
from local_cloud.plugin.requests import Refused
from tests.unit.local_cloud.estate import Estate

Group = dict[str, Any]
ARN = "arn:aws:elasticloadbalancing:eu-west-2:111111111111:targetgroup/app/0123456789abcdef"


class Immediately:
    """An executor without threads."""

    def submit(self, work: Callable[..., None], *arguments: Any) -> None:
        work(*arguments)


class World:
    """What the loop acts on: machines that run at once, targets whose health a test decides, a clock that it moves."""

    def __init__(self) -> None:
        self.names = (f"i-{number:017x}" for number in itertools.count(1))
        self.health: dict[str, str] = {}
        self.born = "healthy"
        self.refuse = ""
        self.now = 1000.0

    def launch(self, spec: instances.Launch) -> Group:
        if self.refuse:
            raise Refused("InsufficientInstanceCapacity", self.refuse)
        name = next(self.names)
        record = {"InstanceId": name, "InstanceType": "t3.small", "State": {"Name": "running"}, "Placement": {"AvailabilityZone": "eu-west-2a"}}
        ec2._instances[name] = record
        self.health[name] = self.born
        return record

    def terminate(self, name: str) -> None:
        ec2._instances[name]["State"]["Name"] = "terminated"

    def target(self, arn: str, name: str) -> str:
        registered = any(target["Id"] == name for target in alb._targets.get(arn, []))
        return self.health.get(name, "unused") if registered else "unused"

    def look(self, group: Group, times: int = 6) -> None:
        for _turn in range(times):
            self.now += 0.5
            groups._step(group)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, estate: Estate) -> World:
    made = World()
    for store in (alb._tgs, alb._targets, autoscaling._asgs, autoscaling._hooks, cloudwatch._alarms):
        store._data.clear()
    ec2._launch_templates["lt-1"] = {
        "LaunchTemplateId": "lt-1",
        "LaunchTemplateName": "app",
        "LatestVersionNumber": 2,
        "DefaultVersionNumber": 1,
        "Versions": [{"VersionNumber": number, "LaunchTemplateData": {"ImageId": f"ami-{number}", "InstanceType": "t3.small"}} for number in (1, 2)],
    }
    alb._tgs[ARN] = {"TargetGroupArn": ARN}
    monkeypatch.setattr(groups, "_launches", Immediately())
    monkeypatch.setattr(groups, "next_step", refresh.next_step)
    monkeypatch.setattr(instances, "launch", made.launch)
    monkeypatch.setattr(instances, "terminate", made.terminate)
    monkeypatch.setattr(balancers, "health", made.target)
    monkeypatch.setattr("time.monotonic", lambda: made.now)
    return made


@pytest.fixture
def group(world: World) -> Group:
    record: Group = {
        "AutoScalingGroupName": "app",
        "AutoScalingGroupARN": "arn:app",
        "LaunchTemplate": {"LaunchTemplateId": "lt-1", "Version": "1"},
        "MinSize": 1,
        "MaxSize": 4,
        "DesiredCapacity": 2,
        "DefaultCooldown": 300,
        "HealthCheckType": "ELB",
        "HealthCheckGracePeriod": 20,
        "VPCZoneIdentifier": "subnet-dev",
        "NewInstancesProtectedFromScaleIn": False,
        "Instances": [],
        "Tags": [],
    }
    scaling.complete(record, {"LaunchTemplate": record["LaunchTemplate"], "TargetGroupARNs": [ARN]})
    autoscaling._asgs["app"] = record
    world.look(record)
    return record


def names(group: Group, state: str = "InService") -> list[str]:
    return [item["InstanceId"] for item in group["Instances"] if item["LifecycleState"] == state]


def versions(group: Group) -> list[str]:
    return sorted(item["LaunchTemplate"]["Version"] for item in group["Instances"] if item["LifecycleState"] == "InService")


def test_launches_what_is_desired_and_registers_it(group: Group) -> None:
    assert len(names(group)) == 2
    assert [target["Id"] for target in alb._targets[ARN]] == names(group)
    assert "increasing the capacity from 1 to 2" in group["_activities"][0]["Cause"]


def test_replaces_a_machine_that_died(group: Group, world: World) -> None:
    victim, other = names(group)
    ec2._instances[victim]["State"]["Name"] = "stopped"
    world.look(group)
    assert len(names(group)) == 2
    assert victim not in names(group)
    assert other in names(group)


def test_an_ill_machine_is_replaced_after_its_grace_period_only(group: Group, world: World) -> None:
    victim = names(group)[0]
    world.health[victim] = "unhealthy"
    world.look(group)
    assert victim in names(group)
    world.now += 20
    world.look(group)
    assert victim not in names(group)
    assert any("ELB system health check failure" in activity["Cause"] for activity in group["_activities"])


def test_an_ill_machine_stays_until_another_serves_when_the_group_asks_for_that(group: Group, world: World) -> None:
    group["InstanceMaintenancePolicy"] = {"MinHealthyPercentage": 100, "MaxHealthyPercentage": 150}
    victim = names(group)[0]
    world.health[victim] = "unhealthy"
    world.now += 21
    groups._step(group)
    assert len(groups.staying(group)) == 3
    assert victim in names(group)
    world.look(group)
    assert len(names(group)) == 2
    assert victim not in names(group)


def test_a_leaving_machine_is_ended_when_it_has_drained(group: Group, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    groups.set_desired(group, 1, "a test")
    drained: list[str] = []
    monkeypatch.setattr(balancers, "health", lambda arn, name: world.target(arn, name) if name in drained else "draining")
    world.look(group)
    [leaving] = names(group, "Terminating")
    assert ec2._instances[leaving]["State"]["Name"] == "running"
    drained.append(leaving)
    world.look(group)
    assert len(group["Instances"]) == 1


@pytest.mark.parametrize(("result", "wait", "gone"), [("CONTINUE", 0, True), ("ABANDON", 0, True), ("", 10, False), ("", 61, True)])
def test_a_terminating_hook_holds_a_machine(group: Group, world: World, result: str, wait: float, gone: bool) -> None:
    hook = {"AutoScalingGroupName": "app", "LifecycleHookName": "bye", "LifecycleTransition": "autoscaling:EC2_INSTANCE_TERMINATING"}
    autoscaling._hooks["app/bye"] = {**hook, "HeartbeatTimeout": 60, "DefaultResult": "CONTINUE"}
    groups.set_desired(group, 1, "a test")
    world.look(group)
    [item] = [item for item in group["Instances"] if item["LifecycleState"] == "Terminating:Wait"]
    item["_hooks"]["bye"]["result"] = result
    world.now += wait
    world.look(group)
    assert (item not in group["Instances"]) == gone


def test_a_refused_launch_is_told_and_tried_ever_less_often(group: Group, world: World) -> None:
    world.refuse = "no capacity today"
    groups.set_desired(group, 3, "a test")
    world.look(group, 40)
    failed = [activity for activity in group["_activities"] if activity["StatusCode"] == "Failed"]
    assert "no capacity today" in failed[0]["StatusMessage"]
    assert 2 <= len(failed) <= 5
    world.refuse = ""
    world.look(group, 130)
    assert len(names(group)) == 3


def test_machines_that_end_at_once_are_launched_ever_less_often(group: Group, world: World) -> None:
    known = len(group["_activities"])
    for _turn in range(40):
        world.look(group, 1)
        for name in names(group):
            ec2._instances[name]["State"]["Name"] = "stopped"
    launches = [activity for activity in group["_activities"][:-known] if activity["Description"].startswith("Launching")]
    assert len(launches) <= 10


def test_a_suspended_process_does_nothing(group: Group, world: World) -> None:
    group["_suspended"] = {"Launch": "", "Terminate": ""}
    groups.set_desired(group, 3, "a test")
    world.look(group)
    assert len(names(group)) == 2


PREFERENCES = {"MinHealthyPercentage": 100, "MaxHealthyPercentage": 150, "InstanceWarmup": 0}


def begin(group: Group, **preferences: Any) -> Group:
    source = dict(group["LaunchTemplate"])
    configuration = {"LaunchTemplate": {"LaunchTemplateId": "lt-1", "Version": "2"}}
    scaling.complete(group, configuration)
    return refresh.begin(group, refresh.check({**PREFERENCES, **preferences}, "Rolling"), source, configuration)


def test_a_refresh_replaces_all_and_ends(group: Group, world: World) -> None:
    current = begin(group)
    world.look(group, 12)
    assert (current["Status"], current["PercentageComplete"], current["InstancesToUpdate"]) == ("Successful", 100, 0)
    assert versions(group) == ["2", "2"]


def test_the_group_scales_out_during_a_refresh(group: Group, world: World) -> None:
    current = begin(group)
    world.look(group, 1)
    groups.set_desired(group, 4, "a test")
    world.look(group, 20)
    assert current["Status"] == "Successful"
    assert versions(group) == ["2"] * 4


def test_a_refresh_waits_at_a_checkpoint(group: Group, world: World) -> None:
    current = begin(group, CheckpointPercentages=[50, 100], CheckpointDelay=600)
    world.look(group, 20)
    assert versions(group) == ["1", "2"]
    world.now += 600 / settings.CLOCK_FACTOR
    world.look(group, 12)
    assert current["Status"] == "Successful"


@pytest.mark.parametrize(("rollback", "status"), [(False, "Failed"), (True, "RollbackSuccessful")])
def test_a_refresh_whose_machines_never_serve_fails(group: Group, world: World, rollback: bool, status: str) -> None:
    before, world.born = names(group), "unhealthy"
    current = begin(group, AutoRollback=rollback)
    for _turn in range(20):
        world.look(group, 2)
        assert [name for name in before if name in names(group)] == before, "who serves stays"
        world.now += 3600 / settings.CLOCK_FACTOR / 10
    world.look(group, 12)
    assert current["Status"] == status
    assert versions(group) == ["1", "1"]
    assert names(group) == before


def test_a_refresh_fails_with_its_alarm(group: Group, world: World) -> None:
    cloudwatch._alarms["errors"] = {"StateValue": "OK"}
    current = begin(group, AlarmSpecification={"Alarms": ["errors"]})
    world.look(group, 1)
    assert current["Status"] == "InProgress"
    cloudwatch._alarms["errors"]["StateValue"] = "ALARM"
    world.look(group, 1)
    assert (current["Status"], current["StatusReason"]) == ("Failed", "The alarm errors went into the ALARM state")


@pytest.mark.parametrize(
    ("preferences", "why"),
    [
        ({"MinHealthyPercentage": 90, "MaxHealthyPercentage": 200}, "at most 100 apart"),
        ({"CheckpointPercentages": [50, 20]}, "must grow"),
        ({"Speed": 3}, "Speed"),
    ],
)
def test_refuses_preferences(preferences: dict[str, Any], why: str) -> None:
    with pytest.raises(Refused, match=why):
        refresh.check(preferences, "Rolling")


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"MixedInstancesPolicy": {"a": 1}}, "MixedInstancesPolicy"),
        ({"LaunchTemplate": {"LaunchTemplateId": "lt-9"}}, "lt-9"),
        ({"TargetGroupARNs": ["arn:other"]}, "arn:other"),
    ],
)
def test_refuses_groups(group: Group, given: dict[str, Any], why: str) -> None:
    with pytest.raises(Refused, match=why):
        scaling.complete(group, given)


@pytest.mark.parametrize(
    ("old", "new", "sizes"),
    [
        pytest.param({"MinSize": 1, "MaxSize": 4}, {"MinSize": 1, "MaxSize": 4}, (1, 3, 4), id="nothing changed"),
        pytest.param({"MinSize": 1, "MaxSize": 4}, {"MinSize": 1, "MaxSize": 6}, (1, 3, 6), id="the maximum alone"),
        pytest.param({"MinSize": 1, "MaxSize": 4}, {"MinSize": 1, "MaxSize": 2}, (1, 2, 2), id="below what runs"),
        pytest.param(
            {"MinSize": 1, "MaxSize": 9, "DesiredCapacity": 2}, {"MinSize": 1, "MaxSize": 9, "DesiredCapacity": 2}, (1, 3, 4), id="unchanged"
        ),
        pytest.param({"MinSize": 1, "MaxSize": 4}, {"MinSize": 1, "MaxSize": 4, "DesiredCapacity": 1}, (1, 1, 4), id="asked for"),
    ],
)
def test_a_stack_leaves_a_scaled_group_its_size(group: Group, old: Group, new: Group, sizes: tuple[int, int, int]) -> None:
    common = {"VPCZoneIdentifier": "subnet-dev", "LaunchTemplate": group["LaunchTemplate"], "TargetGroupARNs": [ARN]}
    groups.set_desired(group, 3, "a test")

    def original(physical_id: str, old: Group, new: Group, stack_name: str, *rest: str) -> tuple[str, Group]:
        group.update(MinSize=new["MinSize"], MaxSize=new["MaxSize"], DesiredCapacity=new.get("DesiredCapacity", new["MinSize"]))
        return physical_id, {}

    scaling._stack_update(original, "app", {**common, **old}, {**common, **new}, "stack", "Machines")
    assert (group["MinSize"], group["DesiredCapacity"], group["MaxSize"]) == sizes


def test_a_metrics_values_are_its_newest_metric_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    cloudwatch._metrics._data.clear()
    start = 1_000_000.0
    for minute, value in enumerate([1, 2, None, 4]):
        monkeypatch.setattr(cloudwatch.time, "time", lambda minute=minute: start + minute * metrics.MINUTE + 0.2)
        if value is not None:
            metrics.put("N", "M", value, "Count", {"A": "b"})
            metrics.put("N", "M", 99, "Count", {"A": "other"})
    assert metrics.values("N", "M", {"A": "b"}, "Sum", 3, metrics.MINUTE) == [2, None, 4]
