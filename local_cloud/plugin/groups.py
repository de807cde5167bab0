"""Auto scaling groups that keep their number: a loop that launches, watches, registers, drains and ends real machines.

The emulator's record of a group is the wish and the truth at once: the API and CloudFormation write what is wanted, the loop
writes its members. What only the loop needs lies under keys that begin with an underscore.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from ministack.core.responses import new_uuid
from ministack.services import autoscaling, ec2

from local_cloud.plugin import balancers, emulator, fleet, instances, settings
from local_cloud.plugin.requests import Refused

log = logging.getLogger("local_cloud.groups")
Record = dict[str, Any]
TICK = 0.5
KEPT_ACTIVITIES = 100
SHORT_LIFE = 10.0  # seconds in which a machine that ends has not lived
LEAVING = ("Terminating", "Terminating:Wait", "Terminating:Proceed", "Terminated")

_wake = threading.Event()
_launches = ThreadPoolExecutor(max_workers=4, thread_name_prefix="launch")


def no_refresh(group: Record) -> fleet.Step:
    return fleet.Step()


# Set by refresh.py: what an instance refresh in progress asks of a group.
next_step: Callable[[Record], fleet.Step] = no_refresh


def wake() -> None:
    _wake.set()


def timestamp() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def clocked(seconds: float) -> float:
    """A wait of AWS's own, on this cloud's clock."""
    return seconds / settings.CLOCK_FACTOR


def get(name: str) -> Record:
    group = autoscaling._asgs.get(name)
    if group is None:
        raise Refused("ValidationError", f"AutoScalingGroup name not found - AutoScalingGroup {name} not found")
    found: Record = group
    return found


def member(instance_id: str) -> tuple[Record, Record]:
    """The group of an instance, and the instance as its member."""
    for group in autoscaling._asgs.values():
        for item in group["Instances"]:
            if item["InstanceId"] == instance_id:
                return group, item
    raise Refused("ValidationError", f"Instance Id not found - No managed instance found for instance ID {instance_id}")


def staying(group: Record) -> list[Record]:
    return [item for item in group["Instances"] if item["LifecycleState"] not in LEAVING]


def suspended(group: Record, process: str) -> bool:
    return process in group.get("_suspended", {})


# --- activities ---------------------------------------------------------------------------------------------------


def begin(group: Record, description: str, cause: str) -> Record:
    activity = {
        "ActivityId": new_uuid(),
        "AutoScalingGroupName": group["AutoScalingGroupName"],
        "Description": description,
        "Cause": cause,
        "StartTime": timestamp(),
        "StatusCode": "InProgress",
        "Progress": 50,
        "Details": json.dumps({"Availability Zones": group["AvailabilityZones"]}),
        "AutoScalingGroupARN": group["AutoScalingGroupARN"],
    }
    group.setdefault("_activities", []).insert(0, activity)
    del group["_activities"][KEPT_ACTIVITIES:]
    return activity


def end(activity: Record | None, status: str = "Successful", message: str = "") -> None:
    if activity is not None:
        activity.update(StatusCode=status, EndTime=timestamp(), Progress=100, **({"StatusMessage": message} if message else {}))


def set_desired(group: Record, desired: int, why: str) -> None:
    """Change the number a group keeps. `why` opens the sentence of the activities that follow."""
    if desired != group["DesiredCapacity"]:
        group["_why"] = f"At {timestamp()} {why} changing the desired capacity from {group['DesiredCapacity']} to {desired}.  "
        group["DesiredCapacity"] = desired
    wake()


# --- members ------------------------------------------------------------------------------------------------------


def machine(group: Record, item: Record, warmup: float = 0) -> fleet.Machine:
    """A member as the decisions see it. `warmup` in seconds of this cloud."""
    serving = item["LifecycleState"] == "InService" and item["HealthStatus"] == "Healthy"
    passed = all(balancers.health(arn, item["InstanceId"]) == "healthy" for arn in group["TargetGroupARNs"])
    warm = serving and time.monotonic() - item["_in_service"] >= warmup
    version = str(item["LaunchTemplate"].get("Version", "0"))
    return fleet.Machine(
        item["InstanceId"],
        item["AvailabilityZone"],
        int(version),
        item["_launched"],
        ready=warm and passed,
        protected=item["ProtectedFromScaleIn"],
    )


def warming(group: Record, warmup: float) -> list[Record]:
    """Members that come up or are in their warm-up."""
    now = time.monotonic()
    return [i for i in staying(group) if i["LifecycleState"] != "InService" or now - i["_in_service"] < warmup]


def subnets(group: Record) -> list[fleet.Subnet]:
    wanted = [part.strip() for part in group["VPCZoneIdentifier"].split(",") if part.strip()]
    return [fleet.Subnet(name, ec2._subnets[name]["AvailabilityZone"]) for name in wanted if name in ec2._subnets]


def resolved_template(group: Record) -> Record:
    """The group's launch template with the number of the version that a launch would take now."""
    given = group["LaunchTemplate"]
    _data, template, error = ec2._resolve_launch_template_data(dict(given))
    if error or template is None:
        raise Refused("ValidationError", f"The launch template {given} does not exist")
    symbolic = {"$Latest": template["LatestVersionNumber"], "$Default": template["DefaultVersionNumber"]}
    version = symbolic.get(str(given.get("Version") or "$Default"), given.get("Version"))
    return {
        "LaunchTemplateId": template["LaunchTemplateId"],
        "LaunchTemplateName": template["LaunchTemplateName"],
        "Version": str(version),
    }


def _launch(group: Record, count: int) -> None:
    """Begin `count` launches; each is a member from now on, so that no look launches it twice."""
    template = resolved_template(group)
    have = len(staying(group))
    # Machines of another version are on their way out or should be: the new ones are spread among themselves.
    zones = [item["AvailabilityZone"] for item in staying(group) if item["LaunchTemplate"] == template]
    owner = emulator.account()
    for step, subnet_id in enumerate(fleet.spread(subnets(group), zones, count), 1):
        cause = (
            f"{group.get('_why', '')}At {timestamp()} an instance was started in response to a difference between desired and actual "
            f"capacity, increasing the capacity from {have + step - 1} to {have + step}."
        )
        activity = begin(group, "Launching a new EC2 instance", cause)
        item = {
            "InstanceId": f"pending-{new_uuid()[:8]}",
            "LifecycleState": "Pending",
            "HealthStatus": "Healthy",
            "AvailabilityZone": ec2._subnets[subnet_id]["AvailabilityZone"],
            "ProtectedFromScaleIn": group["NewInstancesProtectedFromScaleIn"],
            "LaunchTemplate": template,
            "_launched": time.monotonic(),
            "_in_service": 0.0,
            "_activity": activity,
        }
        group["Instances"].append(item)
        _launches.submit(_start, owner, group, item, subnet_id)


def _start(owner: str, group: Record, item: Record, subnet_id: str) -> None:
    with emulator.scope(owner):
        tags = {t["Key"]: t["Value"] for t in group["Tags"] if t.get("PropagateAtLaunch")}
        tags["aws:autoscaling:groupName"] = group["AutoScalingGroupName"]
        try:
            record = instances.launch(instances.from_template(item["LaunchTemplate"], subnet_id, tags))
        except Exception as error:
            log.warning("Failed to launch for %s: %s", group["AutoScalingGroupName"], error)
            _hold_back(group)
            end(item["_activity"], "Failed", f"{error}  Launching EC2 instance failed.")
            item["LifecycleState"] = "Terminated"
            return
        item["_activity"]["Description"] = f"Launching a new EC2 instance: {record['InstanceId']}"
        item.update(InstanceId=record["InstanceId"], InstanceType=record["InstanceType"])
        item["_hooks"] = _hooks(group, "autoscaling:EC2_INSTANCE_LAUNCHING")
        item["LifecycleState"] = "Pending:Wait" if item["_hooks"] else "Pending:Proceed"
    wake()


def _hold_back(group: Record) -> None:
    """As AWS does, try ever less often while launches fail or machines do not live."""
    failures = group.get("_failures", 0) + 1
    group.update(_failures=failures, _not_before=time.monotonic() + min(60, 2**failures))


def leave(group: Record, item: Record, cause: str, drain: bool = True) -> None:
    """Take a member out of service: deregister, let it drain, wait for its hooks, end it."""
    if item["LifecycleState"] in LEAVING or item["InstanceId"].startswith("pending-"):
        return
    item["_activity"] = begin(group, f"Terminating EC2 instance: {item['InstanceId']}", cause)
    item["LifecycleState"] = "Terminating"
    for arn in group["TargetGroupARNs"]:
        balancers.deregister(arn, item["InstanceId"])
    if not drain:
        item.update(LifecycleState="Terminating:Proceed", _hooks={})
    wake()


# --- lifecycle hooks ----------------------------------------------------------------------------------------------


def _hooks(group: Record, transition: str) -> dict[str, Record]:
    """The hooks of a transition, each with its own deadline. Their time is the machine's, not AWS's: no clock factor."""
    name = group["AutoScalingGroupName"]
    found = [h for h in autoscaling._hooks.values() if h["AutoScalingGroupName"] == name and h["LifecycleTransition"] == transition]
    return {
        hook["LifecycleHookName"]: {"deadline": time.monotonic() + hook["HeartbeatTimeout"], "hook": hook, "token": new_uuid(), "result": ""}
        for hook in found
    }


def _hooks_result(item: Record) -> str:
    """CONTINUE when all hooks are done, ABANDON as soon as one says so, nothing while one is open."""
    results = []
    for waiting in item.get("_hooks", {}).values():
        late = time.monotonic() > waiting["deadline"]
        results.append(waiting["result"] or (waiting["hook"]["DefaultResult"] if late else ""))
    if "ABANDON" in results:
        return "ABANDON"
    return "" if "" in results else "CONTINUE"


# --- one look at a group ------------------------------------------------------------------------------------------


def _follow(group: Record, item: Record) -> None:
    """One member, one step further."""
    match item["LifecycleState"]:
        case "Pending:Wait":
            result = _hooks_result(item)
            if result == "ABANDON":
                end(item["_activity"], "Cancelled", "Lifecycle action was abandoned")
                leave(group, item, f"At {timestamp()} an instance was taken out of service: its launch was abandoned.")
            elif result:
                item["LifecycleState"] = "Pending:Proceed"
        case "Pending:Proceed":
            for arn in group["TargetGroupARNs"] if not suspended(group, "AddToLoadBalancer") else []:
                balancers.register(arn, item["InstanceId"])
            item.update(LifecycleState="InService", _in_service=time.monotonic())
            end(item["_activity"])
        case "Terminating":
            if all(balancers.health(arn, item["InstanceId"]) == "unused" for arn in group["TargetGroupARNs"]):
                item["_hooks"] = _hooks(group, "autoscaling:EC2_INSTANCE_TERMINATING")
                item["LifecycleState"] = "Terminating:Wait"
        case "Terminating:Wait":
            if _hooks_result(item):
                item["LifecycleState"] = "Terminating:Proceed"
        case "Terminating:Proceed":
            record = ec2._instances.get(item["InstanceId"])
            if record is not None:
                instances.terminate(item["InstanceId"])
            if record is None or record["State"]["Name"] == "terminated":
                item["LifecycleState"] = "Terminated"
                end(item["_activity"])


def _past_grace(group: Record, item: Record) -> bool:
    """Whether the balancers' opinion counts. The grace is given to a machine's boot: no clock factor."""
    return "ELB" in group["HealthCheckType"] and time.monotonic() - item["_in_service"] > group["HealthCheckGracePeriod"]


def _failure(group: Record, item: Record) -> str:
    """What is wrong with a member in service, in the words of its activity; nothing when it is well."""
    record = ec2._instances.get(item["InstanceId"])
    if record is None or record["State"]["Name"] != "running" or instances.impaired(item["InstanceId"]):
        return "EC2 health check indicating it has been terminated or stopped"
    if _past_grace(group, item) and any(balancers.health(arn, item["InstanceId"]) == "unhealthy" for arn in group["TargetGroupARNs"]):
        return "ELB system health check failure"
    return ""


def _check(group: Record, item: Record) -> None:
    """Health: the machine itself always; its balancers when the group asks for it, after the grace period."""
    if item["LifecycleState"] != "InService":
        return
    failed = _failure(group, item)
    lived = time.monotonic() - item["_launched"] > SHORT_LIFE
    if failed and not lived and item["HealthStatus"] == "Healthy":
        _hold_back(group)
        log.warning("%s ended at once. Is its image sound? Too small a fs.inotify.max_user_instances ends systemd with 255.", item["InstanceId"])
    elif lived and not failed and not item.get("_lived"):
        item["_lived"], group["_failures"] = True, 0
    if failed and not suspended(group, "HealthCheck"):
        item["HealthStatus"] = "Unhealthy"
    # One that still runs may be kept until another serves; one that is gone cannot.
    waits = _maintained(group) and not failed.startswith("EC2")
    if item["HealthStatus"] == "Unhealthy" and not waits and not suspended(group, "ReplaceUnhealthy"):
        leave(group, item, f"At {timestamp()} an instance was taken out of service in response to an {failed or 'user health-check'}.")


def _maintained(group: Record) -> bool:
    """Whether a running machine that is found ill stays until another has taken its place."""
    return int(group.get("InstanceMaintenancePolicy", {}).get("MaxHealthyPercentage", -1)) > 100


def _replace_unhealthy(group: Record) -> fleet.Step:
    """What the group's instance maintenance policy asks for when members are ill."""
    if not _maintained(group) or suspended(group, "ReplaceUnhealthy"):
        return fleet.Step()
    policy = group["InstanceMaintenancePolicy"]
    ill = {item["InstanceId"] for item in staying(group) if item["HealthStatus"] == "Unhealthy"}
    limits = fleet.Preferences(int(policy["MinHealthyPercentage"]), int(policy["MaxHealthyPercentage"]))
    return fleet.refresh(group["DesiredCapacity"], [machine(group, item) for item in staying(group)], ill, limits, len(ill))


def _keep_number(group: Record) -> None:
    """Launch or end until the group has its desired capacity, and what a refresh wants beyond it."""
    step, reason = next_step(group), "an instance refresh"
    if not step.extra and not step.end:
        step, reason = _replace_unhealthy(group), "an ELB system health check failure"
    now = timestamp()
    for item in staying(group):
        if item["InstanceId"] in step.end:
            leave(group, item, f"At {now} an instance was taken out of service in response to {reason}.")
    present = staying(group)
    goal = group["DesiredCapacity"] + step.extra
    if len(present) < goal and not suspended(group, "Launch") and time.monotonic() >= group.get("_not_before", 0):
        _launch(group, goal - len(present))
    elif len(present) > goal and not suspended(group, "Terminate"):
        known = [machine(group, item) for item in present if not item["InstanceId"].startswith("pending-")]
        chosen = fleet.victims(known, len(present) - goal)
        for number, name in enumerate(chosen):
            item = next(i for i in present if i["InstanceId"] == name)
            have = len(present) - number
            cause = (
                f"{group.get('_why', '')}At {now} an instance was taken out of service in response to a difference between desired "
                f"and actual capacity, shrinking the capacity from {have} to {have - 1}."
            )
            leave(group, item, cause)


def _step(group: Record) -> None:
    for item in list(group["Instances"]):
        _check(group, item)
        _follow(group, item)
    group["Instances"] = [item for item in group["Instances"] if item["LifecycleState"] != "Terminated"]
    if group.get("_deleting"):
        for item in staying(group):
            leave(group, item, f"At {timestamp()} an instance was taken out of service: its group is deleted.", drain=False)
        if not group["Instances"]:
            autoscaling._asgs.pop(group["AutoScalingGroupName"], None)
    else:
        _keep_number(group)


def _loop() -> None:
    while True:
        _wake.wait(TICK)
        _wake.clear()
        for account_id in settings.ACCOUNTS.values():
            with emulator.scope(account_id):
                for group in autoscaling._asgs.values():
                    try:
                        _step(group)
                    except Exception:
                        log.exception("Failed to keep the auto scaling group %s", group["AutoScalingGroupName"])


def install() -> None:
    instances.on_event(lambda event, account_id, record: wake())


def start() -> None:
    threading.Thread(target=_loop, name="groups", daemon=True).start()
