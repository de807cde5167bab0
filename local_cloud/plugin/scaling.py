"""Auto Scaling's API and CloudFormation types in front of the groups that run, and the policies that change their number."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ministack.services import alb, autoscaling, cloudwatch
from ministack.services.cloudformation import provisioners

from local_cloud.plugin import balancers, emulator, groups, instances, metrics, tracking
from local_cloud.plugin.requests import Refused

Record = dict[str, Any]
Response = tuple[int, dict[str, str], bytes]
Handler = Callable[[dict[str, Any]], Response]
STABLE_SECONDS = 300
HOPELESS = 3  # failed launches in a row, after which a new stack does not wait any longer
PROCESSES = (
    "Launch",
    "Terminate",
    "HealthCheck",
    "ReplaceUnhealthy",
    "AZRebalance",
    "AlarmNotification",
    "ScheduledActions",
    "AddToLoadBalancer",
    "InstanceRefresh",
)
REFUSED = ("LaunchConfigurationName", "MixedInstancesPolicy", "InstanceId", "LoadBalancerNames", "TrafficSources", "MaxInstanceLifetime")


def answer(action: str, result: Mapping[str, Any] | None = None) -> Response:
    inner = f"<{action}Result>{autoscaling._member_xml(dict(result or {}))}</{action}Result>"
    response: Response = autoscaling._xml(200, f"{action}Response", inner)
    return response


def asked() -> Mapping[str, Any]:
    return emulator.request().input


def refuse(why: str | None) -> None:
    if why:
        raise Refused("ValidationError", f"Failed to set up auto scaling: {why}.")


# --- groups -------------------------------------------------------------------------------------------------------


def complete(group: Record, given: Mapping[str, Any]) -> None:
    """What the emulator's record of a group lacks, from API members or template properties (they have the same names)."""
    if found := [name for name in REFUSED if given.get(name)]:
        refuse(f"{', '.join(found)} of a group is not to be had here")
    template = provisioners._asg_launch_template(given.get("LaunchTemplate"))
    group["LaunchTemplate"] = template or group.get("LaunchTemplate", {})
    groups.resolved_template(group)
    if "TargetGroupARNs" in given or "TargetGroupARNs" not in group:
        group["TargetGroupARNs"] = list(given.get("TargetGroupARNs") or [])
    if missing := [arn for arn in group["TargetGroupARNs"] if arn not in alb._tgs]:
        refuse(f"the target group {missing[0]} does not exist")
    zones = [subnet.zone for subnet in groups.subnets(group)]
    refuse(None if zones else f"none of the subnets of '{group['VPCZoneIdentifier']}' exists")
    group["AvailabilityZones"] = sorted(set(zones))
    group["NewInstancesProtectedFromScaleIn"] = str(group["NewInstancesProtectedFromScaleIn"]).lower() == "true"
    if "DefaultInstanceWarmup" in given:
        group["DefaultInstanceWarmup"] = int(given["DefaultInstanceWarmup"])
    if "InstanceMaintenancePolicy" in given:
        group["InstanceMaintenancePolicy"] = given["InstanceMaintenancePolicy"]
    check_sizes(group)
    groups.wake()


def check_sizes(group: Record) -> None:
    low, desired, high = group["MinSize"], group["DesiredCapacity"], group["MaxSize"]
    if not low <= desired <= high:
        raise Refused("ValidationError", f"Desired capacity:{desired} must be between the specified min size:{low} and max size:{high}")


def _create(params: dict[str, Any]) -> Response:
    response = _originals["CreateAutoScalingGroup"](params)
    if response[0] < 400:
        name = asked()["AutoScalingGroupName"]
        try:
            complete(autoscaling._asgs[name], asked())
        except Refused:
            autoscaling._asgs.pop(name, None)
            raise
    return response


def _update(params: dict[str, Any]) -> Response:
    given, group = asked(), groups.get(asked()["AutoScalingGroupName"])
    numbers = ("MinSize", "MaxSize", "DefaultCooldown", "HealthCheckGracePeriod", "HealthCheckType", "VPCZoneIdentifier")
    changed = {name: given[name] for name in (*numbers, "TerminationPolicies", "NewInstancesProtectedFromScaleIn") if name in given}
    low, high = changed.get("MinSize", group["MinSize"]), changed.get("MaxSize", group["MaxSize"])
    desired = given.get("DesiredCapacity", max(low, min(high, group["DesiredCapacity"])))
    check_sizes({"MinSize": low, "DesiredCapacity": desired, "MaxSize": high})
    group.update(changed)
    why = f"a user request update of AutoScalingGroup constraints to min: {low}, max: {high}, desired: {desired}"
    groups.set_desired(group, desired, why)
    complete(group, given)
    return answer("UpdateAutoScalingGroup")


def _set_desired(params: dict[str, Any]) -> Response:
    group, desired = groups.get(asked()["AutoScalingGroupName"]), asked()["DesiredCapacity"]
    check_sizes({**group, "DesiredCapacity": desired})
    groups.set_desired(group, desired, f"a user request explicitly set group desired capacity to {desired},")
    return answer("SetDesiredCapacity")


def _delete(params: dict[str, Any]) -> Response:
    group = groups.get(asked()["AutoScalingGroupName"])
    if group["Instances"] and not asked().get("ForceDelete"):
        raise Refused("ResourceInUse", "You cannot delete an AutoScalingGroup while there are instances still in the group.")
    remove(group)
    return answer("DeleteAutoScalingGroup")


def remove(group: Record) -> None:
    name = group["AutoScalingGroupName"]
    autoscaling._delete_group_hooks(name)
    autoscaling._delete_group_policies(name)
    autoscaling._tags.pop(name, None)
    group.update(_deleting=True, Status="Delete in progress", MinSize=0, MaxSize=0, DesiredCapacity=0)
    groups.wake()


_INSTANCE = ("InstanceId", "InstanceType", "AvailabilityZone", "LifecycleState", "HealthStatus", "LaunchTemplate", "ProtectedFromScaleIn")
_GROUP = (
    *("AutoScalingGroupName", "AutoScalingGroupARN", "LaunchTemplate", "MinSize", "MaxSize", "DesiredCapacity", "DefaultCooldown"),
    *("AvailabilityZones", "TargetGroupARNs", "HealthCheckType", "HealthCheckGracePeriod", "CreatedTime", "VPCZoneIdentifier", "Status"),
    *("Tags", "TerminationPolicies", "NewInstancesProtectedFromScaleIn", "ServiceLinkedRoleARN", "DefaultInstanceWarmup"),
    "InstanceMaintenancePolicy",
)


def _shown(item: Record) -> Record:
    """A member as the API shows it: Auto Scaling's own step between two states is not one of its states."""
    state = "Pending" if item["LifecycleState"].startswith("Pending:Proceed") else item["LifecycleState"]
    return {**{key: item[key] for key in _INSTANCE if key in item}, "LifecycleState": state}


def _visible(group: Record) -> list[Record]:
    return [item for item in group["Instances"] if not item["InstanceId"].startswith("pending-")]


def _describe(params: dict[str, Any]) -> Response:
    names = asked().get("AutoScalingGroupNames", [])
    found = []
    for name, group in autoscaling._asgs.items():
        if names and name not in names:
            continue
        shown = {key: group[key] for key in _GROUP if group.get(key) not in (None, "")}
        halted = [{"ProcessName": p, "SuspensionReason": why} for p, why in group.get("_suspended", {}).items()]
        found.append({**shown, "Instances": [_shown(item) for item in _visible(group)], "SuspendedProcesses": halted})
    return answer("DescribeAutoScalingGroups", {"AutoScalingGroups": found})


def _describe_instances(params: dict[str, Any]) -> Response:
    wanted = asked().get("InstanceIds", [])
    found = [
        {**_shown(item), "AutoScalingGroupName": name}
        for name, group in autoscaling._asgs.items()
        for item in _visible(group)
        if not wanted or item["InstanceId"] in wanted
    ]
    return answer("DescribeAutoScalingInstances", {"AutoScalingInstances": found})


def _describe_activities(params: dict[str, Any]) -> Response:
    name, wanted = asked().get("AutoScalingGroupName"), asked().get("ActivityIds", [])
    lists = [group.get("_activities", []) for key, group in autoscaling._asgs.items() if name in (None, key)]
    found = [activity for listed in lists for activity in listed if not wanted or activity["ActivityId"] in wanted]
    return answer("DescribeScalingActivities", {"Activities": found[: asked().get("MaxRecords", 100)]})


# --- members ------------------------------------------------------------------------------------------------------


def _terminate(params: dict[str, Any]) -> Response:
    group, item = groups.member(asked()["InstanceId"])
    if asked()["ShouldDecrementDesiredCapacity"]:
        if group["DesiredCapacity"] <= group["MinSize"]:
            broken = "Terminating instance without replacement will violate group's min size constraint."
            raise Refused("ValidationError", f"Currently, desiredSize equals minSize ({group['MinSize']}). {broken}")
        group["DesiredCapacity"] -= 1
    groups.leave(group, item, f"At {groups.timestamp()} instance {item['InstanceId']} was taken out of service in response to a user request.")
    return answer("TerminateInstanceInAutoScalingGroup", {"Activity": item.get("_activity", {})})


def _set_health(params: dict[str, Any]) -> Response:
    group, item = groups.member(asked()["InstanceId"])
    grace = time.monotonic() - item["_in_service"] <= group["HealthCheckGracePeriod"]
    if not (grace and asked().get("ShouldRespectGracePeriod", True)):
        item["HealthStatus"] = asked()["HealthStatus"]
    groups.wake()
    return answer("SetInstanceHealth")


def _protect(params: dict[str, Any]) -> Response:
    for instance_id in asked()["InstanceIds"]:
        groups.member(instance_id)[1]["ProtectedFromScaleIn"] = asked()["ProtectedFromScaleIn"]
    return answer("SetInstanceProtection")


def _suspend(params: dict[str, Any]) -> Response:
    group = groups.get(asked()["AutoScalingGroupName"])
    for process in asked().get("ScalingProcesses") or PROCESSES:
        refuse(None if process in PROCESSES else f"the process {process} does not exist. Processes: {', '.join(PROCESSES)}")
        group.setdefault("_suspended", {})[process] = f"User suspended at {groups.timestamp()}"
    return answer("SuspendProcesses")


def _resume(params: dict[str, Any]) -> Response:
    group = groups.get(asked()["AutoScalingGroupName"])
    for process in asked().get("ScalingProcesses") or PROCESSES:
        group.get("_suspended", {}).pop(process, None)
    groups.wake()
    return answer("ResumeProcesses")


def _lifecycle(given: Mapping[str, Any]) -> Record:
    """The open lifecycle action that a request names, by instance or by token."""
    group = groups.get(given["AutoScalingGroupName"])
    for item in group["Instances"]:
        waiting = item.get("_hooks", {}).get(given["LifecycleHookName"])
        named = item["InstanceId"] == given.get("InstanceId") or (waiting and waiting["token"] == given.get("LifecycleActionToken"))
        if waiting and named and item["LifecycleState"].endswith(":Wait"):
            found: Record = waiting
            return found
    raise Refused("ValidationError", f"No active Lifecycle Action found with instance ID {given.get('InstanceId')}")


def _complete_action(params: dict[str, Any]) -> Response:
    result = asked()["LifecycleActionResult"]
    refuse(None if result in ("CONTINUE", "ABANDON") else f"a lifecycle action ends with CONTINUE or ABANDON, not {result}")
    _lifecycle(asked())["result"] = result
    groups.wake()
    return answer("CompleteLifecycleAction")


def _heartbeat(params: dict[str, Any]) -> Response:
    waiting = _lifecycle(asked())
    waiting["deadline"] = time.monotonic() + waiting["hook"]["HeartbeatTimeout"]
    return answer("RecordLifecycleActionHeartbeat")


def _not_here(what: str) -> Handler:
    def handler(params: dict[str, Any]) -> Response:
        raise Refused("UnsupportedOperation", f"{what} are not to be had in the local cloud.")

    return handler


# --- policies -----------------------------------------------------------------------------------------------------


def _put_policy(params: dict[str, Any]) -> Response:
    groups.get(asked()["AutoScalingGroupName"])
    check_policy(asked())
    return _originals["PutScalingPolicy"](params)


def check_policy(given: Mapping[str, Any]) -> None:
    refuse(tracking.refused(given))
    label = given["TargetTrackingConfiguration"].get("PredefinedMetricSpecification", {}).get("ResourceLabel")
    if label and not any(_label_dimensions(label)[0]["Value"].endswith(arn.split(":targetgroup/")[-1]) for arn in alb._tgs):
        refuse(f"no target group of the resource label {label} exists")


def _label_dimensions(label: str) -> list[dict[str, str]]:
    """`app/<name>/<id>/targetgroup/<name>/<id>` as CloudWatch's dimensions."""
    balancer, _separator, group = label.partition("/targetgroup/")
    return [{"Name": "TargetGroup", "Value": f"targetgroup/{group}"}, {"Name": "LoadBalancer", "Value": balancer}]


def _metric_of(configuration: Record, group_name: str) -> Record | None:
    """What a policy's alarms watch; the emulator knows all but the balancers' metric."""
    given = configuration.get("PredefinedMetricSpecification") or {}
    if given.get("PredefinedMetricType") != "ALBRequestCountPerTarget":
        known: Record | None = _emulators_metric(configuration, group_name)
        return known
    dimensions = _label_dimensions(given["ResourceLabel"])
    return {"Namespace": "AWS/ApplicationELB", "MetricName": "RequestCountPerTarget", "Statistic": "Sum", "Dimensions": dimensions}


def _warmup(group: Record, policies: list[Record]) -> float:
    """Seconds of this cloud after which a new machine's metrics count; AWS falls back on the group's cooldown."""
    given = [int(policy["EstimatedInstanceWarmup"]) for policy in policies if "EstimatedInstanceWarmup" in policy]
    return groups.clocked(max(given) if given else float(group.get("DefaultInstanceWarmup") or group["DefaultCooldown"]))


def _measure(seconds: float) -> None:
    """Processor use of every machine; the group's mean leaves out machines that warm up."""
    for name, group in autoscaling._asgs.items():
        policies = [policy for policy in autoscaling._policies.values() if policy["AutoScalingGroupName"] == name]
        sizes = {"GroupDesiredCapacity": group["DesiredCapacity"], "GroupTotalInstances": len(_visible(group))}
        sizes["GroupInServiceInstances"] = sum(item["LifecycleState"] == "InService" for item in group["Instances"])
        for metric, value in sizes.items():
            metrics.put("AWS/AutoScaling", metric, value, "None", {"AutoScalingGroupName": name})
        cold = {item["InstanceId"] for item in groups.warming(group, _warmup(group, policies))}
        for item in _visible(group):
            quota = float(instances.TYPES[item["InstanceType"]]["cpus"])
            used = metrics.processor_percent(instances.container_of(item["InstanceId"]), quota)
            if used is not None:
                metrics.put("AWS/EC2", "CPUUtilization", used, "Percent", {"InstanceId": item["InstanceId"]})
            if used is not None and item["InstanceId"] not in cold:
                metrics.put("AWS/EC2", "CPUUtilization", used, "Percent", {"AutoScalingGroupName": name})


def _reading(group: Record, policy: Record, warm: int) -> tracking.Reading:
    watched = cloudwatch._alarms.get(policy["Alarms"][0]["AlarmName"], {})
    dimensions = {item["Name"]: item["Value"] for item in watched.get("Dimensions", [])}
    [value] = metrics.values(watched["Namespace"], watched["MetricName"], dimensions, watched["Statistic"], 1, metrics.MINUTE)
    machines = warm
    if watched["Namespace"] == "AWS/ApplicationELB":
        serving = [arn for arn in group["TargetGroupARNs"] if dimensions["TargetGroup"].endswith(arn.split(":targetgroup/")[-1])]
        machines = sum(balancers.healthy_targets(arn) for arn in serving)
    in_alarm = {alarm["AlarmName"].split("-Alarm")[-1][:3]: metrics.in_alarm(alarm["AlarmName"]) for alarm in policy["Alarms"]}
    return tracking.Reading(value, machines, in_alarm.get("Hig", False), in_alarm.get("Low", False))


def _act(seconds: float) -> None:
    for name, group in autoscaling._asgs.items():
        policies = [p for p in autoscaling._policies.values() if p["AutoScalingGroupName"] == name and p["Enabled"] and p.get("Alarms")]
        if not policies or groups.suspended(group, "AlarmNotification") or group.get("_deleting"):
            continue
        cold = groups.warming(group, _warmup(group, policies))
        warm = len(groups.staying(group)) - len(cold)
        settled = [
            tracking.Policy(p["PolicyName"], p["TargetTrackingConfiguration"]["TargetValue"], not p["TargetTrackingConfiguration"]["DisableScaleIn"])
            for p in policies
        ]
        readings = {p["PolicyName"]: _reading(group, p, warm) for p in policies}
        sizes = (group["DesiredCapacity"], group["MinSize"], group["MaxSize"])
        decision = tracking.decide(*sizes, len(cold), settled, readings)
        if decision.desired != group["DesiredCapacity"]:
            alarm = f"TargetTracking-{name}-{decision.cause}"
            groups.set_desired(group, decision.desired, f"a monitor alarm {alarm} in state ALARM triggered policy {decision.policy}")


# --- CloudFormation -----------------------------------------------------------------------------------------------


@dataclass
class Hooks:
    """What refresh.py, which builds on this module, adds to a stack's update."""

    policy_of: Callable[[str, str], Record | None] = lambda stack_name, logical_id: None
    roll_over: Callable[[Record, Record, Record], None] = lambda group, before, policy: None


hooks = Hooks()


def _stack_create(original: Callable[..., Any], logical_id: str, props: Mapping[str, Any], stack_name: str) -> Any:
    """Created when as many machines as the group's minimum serve, as at AWS."""
    hooks.policy_of(stack_name, logical_id)
    name, found = original(logical_id, props, stack_name)
    group = autoscaling._asgs[name]
    try:
        complete(group, props)
        wait_until_stable(group)
    except (Refused, ValueError):
        remove(group)
        _wait_until_gone(name)
        raise
    return name, found


def wait_until_stable(group: Record) -> None:
    def in_service() -> bool:
        if group.get("_failures", 0) >= HOPELESS:
            raise ValueError("launches keep failing")
        return len([item for item in group["Instances"] if item["LifecycleState"] == "InService"]) >= int(group["MinSize"])

    try:
        balancers.wait_until(in_service, STABLE_SECONDS, "stabilize")
    except ValueError as error:
        failed = [activity["StatusMessage"] for activity in group.get("_activities", []) if activity["StatusCode"] == "Failed"]
        current = len(_visible(group))
        sizes = f"{{current/minSize/maxSize}} = {{{current}/{group['MinSize']}/{group['MaxSize']}}}"
        raise ValueError(f"Group did not stabilize. {sizes}. Failure reason: {failed[0] if failed else 'timed out'}") from error


def _stack_update(original: Callable[..., Any], physical_id: str, old: Mapping[str, Any], new: Mapping[str, Any], stack_name: str, *rest: Any) -> Any:
    """Sizes that the template does not change stay as scaling made them; a new template rolls out when the policy says so."""
    policy = hooks.policy_of(stack_name, rest[0] if rest else "")
    group = autoscaling._asgs.get(physical_id, {})
    before = dict(group)
    changed = original(physical_id, old, new, stack_name, *rest)
    if changed[0] != physical_id or not before:
        complete(autoscaling._asgs[changed[0]], new)
        return changed
    for size in ("MinSize", "MaxSize", "DesiredCapacity"):
        if old.get(size) == new.get(size):
            group[size] = before[size]
    desired, group["DesiredCapacity"] = max(group["MinSize"], min(group["MaxSize"], group["DesiredCapacity"])), before["DesiredCapacity"]
    groups.set_desired(group, desired, f"an update of the stack {stack_name}")
    try:
        complete(group, new)
        if policy is not None and groups.resolved_template(group) != groups.resolved_template(before):
            hooks.roll_over(group, before, policy)
    except (Refused, ValueError):
        for key in ("LaunchTemplate", "MinSize", "MaxSize", "VPCZoneIdentifier", "TargetGroupARNs", "HealthCheckType"):
            group[key] = before[key]
        raise
    return changed


def _stack_delete(original: Callable[..., Any], physical_id: str, props: Mapping[str, Any]) -> None:
    group = autoscaling._asgs.get(physical_id)
    if group is not None:
        remove(group)
        _wait_until_gone(physical_id)
    original(physical_id, props)


def _wait_until_gone(name: str) -> None:
    balancers.wait_until(lambda: name not in autoscaling._asgs, STABLE_SECONDS, f"end the machines of {name}")


def _stack_policy(original: Callable[..., Any], logical_id: str, props: Mapping[str, Any], stack_name: str) -> Any:
    check_policy(props)
    return original(logical_id, props, stack_name)


def _stack_policy_change(original: Callable[..., Any], physical_id: str, old: Any, new: Mapping[str, Any], *rest: Any) -> Any:
    check_policy(new)
    return original(physical_id, old, new, *rest)


# --- beginnings ---------------------------------------------------------------------------------------------------

_originals: dict[str, Handler] = {}
_emulators_metric: Callable[[Record, str], Record | None] = autoscaling._tracking_metric
_HANDLERS: dict[str, Handler] = {
    "CreateAutoScalingGroup": _create,
    "UpdateAutoScalingGroup": _update,
    "DeleteAutoScalingGroup": _delete,
    "SetDesiredCapacity": _set_desired,
    "DescribeAutoScalingGroups": _describe,
    "DescribeAutoScalingInstances": _describe_instances,
    "DescribeScalingActivities": _describe_activities,
    "TerminateInstanceInAutoScalingGroup": _terminate,
    "SetInstanceHealth": _set_health,
    "SetInstanceProtection": _protect,
    "SuspendProcesses": _suspend,
    "ResumeProcesses": _resume,
    "CompleteLifecycleAction": _complete_action,
    "RecordLifecycleActionHeartbeat": _heartbeat,
    "PutScalingPolicy": _put_policy,
    "CreateLaunchConfiguration": _not_here("Launch configurations (use a launch template)"),
    "PutScheduledUpdateGroupAction": _not_here("Scheduled actions"),
    "PutWarmPool": _not_here("Warm pools"),
}


def install() -> None:
    for action in ("CreateAutoScalingGroup", "PutScalingPolicy"):
        _originals[action] = emulator.original_action("autoscaling", action)
    for action, handler in _HANDLERS.items():
        emulator.replace_action("autoscaling", action, handler)
    autoscaling._reconcile_instances = lambda group: None
    autoscaling._tracking_metric = _metric_of
    kind = "AWS::AutoScaling::"
    emulator.wrap_type(f"{kind}AutoScalingGroup", create=_stack_create, update=_stack_update, delete=_stack_delete, blocking=True)
    emulator.wrap_type(f"{kind}ScalingPolicy", create=_stack_policy, update=_stack_policy_change)
    metrics.every_minute(metrics.MEASURE, _measure)
    metrics.every_minute(metrics.ACT, _act)
    groups.install()


def start() -> None:
    groups.start()
