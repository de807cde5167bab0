"""Instance refresh: the API, CloudFormation's update policy of that name, and the driver that asks fleet.refresh what is next.

https://docs.aws.amazon.com/autoscaling/ec2/userguide/instance-refresh-overview.html. Waits of AWS's own (warm-up, checkpoint
delay, bake time, the hour without progress after which a refresh fails) follow the clock; health is never sped up.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from ministack.core.responses import new_uuid
from ministack.services import cloudformation
from ministack.services.cloudformation import engine as templates

from local_cloud.plugin import balancers, emulator, fleet, groups, metrics, scaling
from local_cloud.plugin.requests import Refused
from local_cloud.plugin.scaling import answer, asked

Record = dict[str, Any]
STALLED_SECONDS = 3600.0
ENDED = ("Successful", "Failed", "Cancelled", "RollbackFailed", "RollbackSuccessful")
DEFAULTS: Mapping[str, Any] = {"MinHealthyPercentage": 90, "MaxHealthyPercentage": 100, "SkipMatching": False, "ScaleInProtectedInstances": "Wait"}
PREFERENCES = {
    *DEFAULTS,
    *("InstanceWarmup", "CheckpointPercentages", "CheckpointDelay", "AutoRollback", "BakeTime", "AlarmSpecification", "StandbyInstances"),
}


def check(preferences: Mapping[str, Any], strategy: str) -> Record:
    """Preferences with their defaults, or a refusal."""
    scaling.refuse(None if strategy == "Rolling" else f"the refresh strategy {strategy} is not to be had here, only Rolling")
    if unknown := sorted(set(preferences) - PREFERENCES):
        scaling.refuse(f"the refresh preference {unknown[0]} is not to be had here")
    full = {**DEFAULTS, **preferences}
    low, high = int(full["MinHealthyPercentage"]), int(full["MaxHealthyPercentage"])
    if not (0 <= low <= 100 <= high <= 200 and high - low <= 100):
        scaling.refuse(f"a refresh keeps between {low} % and {high} % healthy: give 0–100 and 100–200, at most 100 apart")
    points = [int(point) for point in full.get("CheckpointPercentages") or []]
    if points != sorted(set(points)) or any(not 0 < point <= 100 for point in points):
        scaling.refuse(f"checkpoints {points} must grow from 1 to 100")
    return full


def begin(group: Record, preferences: Record, source: Record, configuration: Record | None = None) -> Record:
    """Start replacing what does not run the group's present template; `source` is what a rollback returns to."""
    target = groups.resolved_template(group)
    present = groups.staying(group)
    outdated = {i["InstanceId"] for i in present if not preferences["SkipMatching"] or i["LaunchTemplate"] != target}
    found = {
        "InstanceRefreshId": new_uuid(),
        "AutoScalingGroupName": group["AutoScalingGroupName"],
        "Status": "Pending",
        "StartTime": groups.timestamp(),
        "PercentageComplete": 0,
        "InstancesToUpdate": len(outdated),
        "Strategy": "Rolling",
        "Preferences": {key: value for key, value in preferences.items() if value is not None},
        "_outdated": outdated,
        "_total": len(outdated),
        "_target": target,
        "_source": source,
        "_progress": (0, 0),
        "_moved": time.monotonic(),
        "_passed": 0,
    }
    if configuration:
        found["DesiredConfiguration"] = configuration
    group.setdefault("_refreshes", []).insert(0, found)
    groups.wake()
    return found


def active(group: Record) -> Record | None:
    current = next(iter(group.get("_refreshes", [])), None)
    return current if current and current["Status"] not in ENDED else None


def finish(group: Record, current: Record, status: str, reason: str = "") -> None:
    if current["Status"] == "RollbackInProgress":
        status = {"Successful": "RollbackSuccessful", "Cancelled": "Cancelled"}.get(status, "RollbackFailed")
    current.update(Status=status, EndTime=groups.timestamp())
    current["StatusReason"] = reason or f"The instance refresh ended as {status}."
    if status in ("Failed", "Cancelled") and "DesiredConfiguration" in current:
        group["LaunchTemplate"] = current["_source"]


def fail(group: Record, current: Record, reason: str) -> None:
    """End, or go back when that was asked for."""
    if current["Preferences"].get("AutoRollback") and current["Status"] != "RollbackInProgress":
        roll_back(group, current, reason)
    else:
        finish(group, current, "Failed", reason)


def roll_back(group: Record, current: Record, reason: str) -> None:
    group["LaunchTemplate"] = current["_source"]
    target = groups.resolved_template(group)
    outdated = {i["InstanceId"] for i in groups.staying(group) if i["LaunchTemplate"] != target}
    details = {
        "RollbackReason": reason,
        "RollbackStartTime": groups.timestamp(),
        "PercentageCompleteOnRollback": current["PercentageComplete"],
        "InstancesToUpdateOnRollback": current["InstancesToUpdate"],
    }
    current.update(Status="RollbackInProgress", StatusReason=reason, RollbackDetails=details, PercentageComplete=0)
    current.update(_outdated=outdated, _total=len(outdated), _moved=time.monotonic(), _progress=(0, 0), _until=None)
    current["Preferences"].pop("CheckpointPercentages", None)
    groups.wake()


# --- the driver ---------------------------------------------------------------------------------------------------


def _warmup(group: Record, preferences: Mapping[str, Any]) -> float:
    default = group.get("DefaultInstanceWarmup", group["HealthCheckGracePeriod"])
    return groups.clocked(float(preferences.get("InstanceWarmup", default)))


def next_step(group: Record) -> fleet.Step:
    """Advance the group's refresh by one look, and say what it wants now."""
    current = active(group)
    if current is None or groups.suspended(group, "InstanceRefresh"):
        return fleet.Step()
    wishes = current["Preferences"]
    if current["Status"] == "Cancelling":
        finish(group, current, "Cancelled", "Cancelled due to user request.")
        return fleet.Step()
    if current["Status"] == "Pending":
        current["Status"] = "InProgress"
    warmup = _warmup(group, wishes)
    machines = [groups.machine(group, i, 0 if i["InstanceId"] in current["_outdated"] else warmup) for i in groups.staying(group)]
    outdated = {machine.id for machine in machines if machine.id in current["_outdated"]}
    spared = {machine.id for machine in machines if machine.protected and wishes["ScaleInProtectedInstances"] != "Refresh"}
    _note_progress(current, machines, outdated)
    if alarm := next((name for name in (wishes.get("AlarmSpecification") or {}).get("Alarms", []) if metrics.in_alarm(name)), None):
        fail(group, current, f"The alarm {alarm} went into the ALARM state")
        return fleet.Step()
    if time.monotonic() - current["_moved"] > groups.clocked(STALLED_SECONDS):
        fail(group, current, "No progress was made for an hour: replacement instances did not become healthy. See the scaling activities.")
        return fleet.Step()
    if wishes["ScaleInProtectedInstances"] == "Ignore":
        outdated -= spared
    if not outdated:
        _finish_when_settled(group, current, machines)
        return fleet.Step()
    budget = _budget(current, machines, outdated)
    limits = fleet.Preferences(int(wishes["MinHealthyPercentage"]), int(wishes["MaxHealthyPercentage"]))
    return fleet.refresh(group["DesiredCapacity"], machines, outdated - spared, limits, budget)


def _note_progress(current: Record, machines: list[fleet.Machine], outdated: set[str]) -> None:
    total = current["_total"]
    progress = (total - len(outdated), sum(machine.ready for machine in machines if machine.id not in outdated))
    if progress != current["_progress"]:
        # Only a new best counts: machines that come and go again are not progress.
        if progress > current.get("_best", (0, 0)):
            current.update(_best=progress, _moved=time.monotonic())
        current["_progress"] = progress
    current["InstancesToUpdate"] = len(outdated)
    # A machine is replaced when its successor serves.
    done = total - len(outdated) if not outdated else min(progress)
    current["PercentageComplete"] = 100 * done // total if total else 100


def _budget(current: Record, machines: list[fleet.Machine], outdated: set[str]) -> int:
    """How many may still be replaced before the next checkpoint; at one, wait."""
    points = current["Preferences"].get("CheckpointPercentages") or []
    replaced = int(current["_total"]) - len(outdated)
    budget = fleet.allowed_by_checkpoint(current["_total"], current["_passed"], points) - replaced
    if budget > 0 or any(not machine.ready for machine in machines):
        return max(0, budget)
    if current.get("_until") is None:
        current["_until"] = time.monotonic() + groups.clocked(float(current["Preferences"].get("CheckpointDelay", 3600)))
        current["StatusReason"] = f"Waiting at the checkpoint of {points[current['_passed']]} %."
    elif time.monotonic() >= current["_until"]:
        current.update(_until=None, _passed=current["_passed"] + 1, StatusReason="Replacing instances.", _moved=time.monotonic())
    else:
        current["_moved"] = time.monotonic()
    return 0


def _finish_when_settled(group: Record, current: Record, machines: list[fleet.Machine]) -> None:
    """All are replaced: wait for the last to serve, bake, done."""
    if len(machines) < group["DesiredCapacity"] or any(not machine.ready for machine in machines):
        return
    bake = groups.clocked(float(current["Preferences"].get("BakeTime") or 0))
    if bake and current["Status"] == "InProgress":
        current.update(Status="Baking", _until=time.monotonic() + bake)
    if current["Status"] != "Baking" or time.monotonic() >= current["_until"]:
        current["PercentageComplete"] = 100
        finish(group, current, "Successful")
    current["_moved"] = time.monotonic()


# --- the API ------------------------------------------------------------------------------------------------------


def _start(params: dict[str, Any]) -> scaling.Response:
    given, group = asked(), groups.get(asked()["AutoScalingGroupName"])
    if active(group):
        raise Refused("InstanceRefreshInProgress", "An Instance Refresh is already in progress and blocks the execution of this Instance Refresh.")
    preferences = check(given.get("Preferences", {}), given.get("Strategy", "Rolling"))
    source, configuration = dict(group["LaunchTemplate"]), given.get("DesiredConfiguration")
    if preferences.get("AutoRollback") and str(source.get("Version", "$")).startswith("$"):
        scaling.refuse("AutoRollback needs a launch template with a version number to go back to, not $Latest or $Default")
    if configuration:
        scaling.refuse("a refresh to mixed instances is not to be had here" if "MixedInstancesPolicy" in configuration else None)
        scaling.complete(group, {"LaunchTemplate": configuration["LaunchTemplate"]})
    return answer("StartInstanceRefresh", {"InstanceRefreshId": begin(group, preferences, source, configuration)["InstanceRefreshId"]})


def _describe(params: dict[str, Any]) -> scaling.Response:
    wanted = asked().get("InstanceRefreshIds", [])
    listed = groups.get(asked()["AutoScalingGroupName"]).get("_refreshes", [])
    found = [
        {key: value for key, value in one.items() if not key.startswith("_")}
        for one in listed[: asked().get("MaxRecords", 50)]
        if not wanted or one["InstanceRefreshId"] in wanted
    ]
    return answer("DescribeInstanceRefreshes", {"InstanceRefreshes": found})


def _current() -> tuple[Record, Record]:
    group = groups.get(asked()["AutoScalingGroupName"])
    current = active(group)
    if current is None:
        raise Refused(
            "ActiveInstanceRefreshNotFound",
            f"No in progress or pending Instance Refresh found for Auto Scaling group {group['AutoScalingGroupName']}",
        )
    return group, current


def _cancel(params: dict[str, Any]) -> scaling.Response:
    _group, current = _current()
    current["Status"] = "Cancelling"
    groups.wake()
    return answer("CancelInstanceRefresh", {"InstanceRefreshId": current["InstanceRefreshId"]})


def _roll_back(params: dict[str, Any]) -> scaling.Response:
    group, current = _current()
    if str(current["_source"].get("Version", "$")).startswith("$") or "DesiredConfiguration" not in current:
        raise Refused(
            "IrreversibleInstanceRefresh", "The instance refresh has no desired configuration or no numbered launch template version to return to."
        )
    roll_back(group, current, "Rollback due to user request.")
    return answer("RollbackInstanceRefresh", {"InstanceRefreshId": current["InstanceRefreshId"]})


# --- CloudFormation's update policy -------------------------------------------------------------------------------


def policy_of(stack_name: str, logical_id: str) -> Record | None:
    """A group's AutoScalingInstanceRefresh, checked, from the template that is being applied; None without one."""
    stack = cloudformation._stacks.get(stack_name) or {}
    template = templates._parse_template(stack["_template_body"]) if stack.get("_template_body") else {}
    written = template.get("Resources", {}).get(logical_id, {}).get("UpdatePolicy")
    if not written:
        return None
    values = {p["ParameterKey"]: {"Value": p["ParameterValue"], "NoEcho": p.get("NoEcho", False)} for p in stack.get("Parameters", [])}
    resources, conditions = stack.get("_resources", {}), stack.get("_conditions", {})
    given = templates._resolve_refs(written, resources, values, conditions, template.get("Mappings", {}), stack_name, stack["StackId"])
    if other := [name for name in ("AutoScalingRollingUpdate", "AutoScalingReplacingUpdate") if name in given]:
        scaling.refuse(f"the update policy {other[0]} is not to be had here: use AutoScalingInstanceRefresh")
    policy = given.get("AutoScalingInstanceRefresh")
    if policy is None:
        return None
    preferences = {key: value for key, value in policy.get("Preferences", {}).items() if value is not templates._NO_VALUE}
    if "AutoRollback" in preferences:
        scaling.refuse("AutoRollback is not a preference of CloudFormation's refresh: the stack's own rollback is")
    return check({key: _typed(value) for key, value in preferences.items()}, policy["Strategy"])


def _typed(value: Any) -> Any:
    """Templates may write numbers and booleans as text."""
    if isinstance(value, list):
        return [_typed(item) for item in value]
    if isinstance(value, str) and value.isdigit():
        return int(value)
    return {"true": True, "false": False}.get(value.lower(), value) if isinstance(value, str) else value


def _run(group: Record, preferences: Record, source: Record) -> Record:
    current = active(group)
    if current:
        finish(group, current, "Cancelled", "An update of the stack takes its place.")
    current = begin(group, dict(preferences), source)
    balancers.wait_until(lambda: current["Status"] in ENDED or group.get("_deleting", False), 86400, "refresh the group")
    return current


def refresh_for_stack(group: Record, before: Record, preferences: Record) -> None:
    """Roll the group over to its new template and wait; when that fails, bring the old machines back, then fail the update."""
    name = group["AutoScalingGroupName"]
    current = _run(group, {"SkipMatching": True, **preferences}, dict(before["LaunchTemplate"]))
    if current["Status"] == "Successful":
        return
    reason = current.get("StatusReason", current["Status"])
    group["LaunchTemplate"] = dict(before["LaunchTemplate"])
    quick = {key: value for key, value in preferences.items() if key in ("MinHealthyPercentage", "MaxHealthyPercentage", "InstanceWarmup")}
    back = _run(group, {**DEFAULTS, **quick, "SkipMatching": True}, dict(before["LaunchTemplate"]))
    raise ValueError(f"The instance refresh of {name} ended as {current['Status']}: {reason} The old machines: {back['Status']}.")


def install() -> None:
    handlers = {
        "StartInstanceRefresh": _start,
        "DescribeInstanceRefreshes": _describe,
        "CancelInstanceRefresh": _cancel,
        "RollbackInstanceRefresh": _roll_back,
    }
    for action, handler in handlers.items():
        emulator.replace_action("autoscaling", action, handler)
    groups.next_step = next_step
    scaling.hooks.policy_of = policy_of
    scaling.hooks.roll_over = refresh_for_stack
