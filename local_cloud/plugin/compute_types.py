"""EC2's actions on instances, and AWS::EC2::Instance."""

from __future__ import annotations

import base64
import functools
import time
from collections.abc import Callable, Mapping
from typing import Any

from ministack.core.responses import new_uuid
from ministack.services import ec2

from local_cloud.plugin import emulator, engine, fabric, instances
from local_cloud.plugin.requests import Refused

Props = dict[str, Any]
Made = tuple[str, dict[str, Any]]
# A change of these replaces an instance. At AWS a change of type or user data stops and starts it: here it replaces as well.
REPLACING = (
    *("AvailabilityZone", "IamInstanceProfile", "ImageId", "InstanceType", "KeyName", "LaunchTemplate", "NetworkInterfaces"),
    *("PrivateIpAddress", "SubnetId", "UserData", "MetadataOptions"),
)


def _launch_of(data: Mapping[str, Any], tags: Mapping[str, str]) -> instances.Launch:
    """A request's or resource's own words over those of its launch template."""
    subnet = str(data.get("SubnetId") or "")
    if wanted := data.get("LaunchTemplate"):
        base = instances.from_template(wanted, subnet, tags)
        own = instances.from_data(data, subnet, {**base.tags, **tags})
        given = {name: value for name, value in vars(own).items() if value}
        return instances.Launch(**{**vars(base), **given})
    return instances.from_data(data, subnet, tags)


def run_instances(params: Props) -> Any:
    """Pending at once, running when the container is; all or none of MinCount."""
    asked = emulator.request().input
    if asked.get("DryRun"):
        raise Refused("DryRunOperation", "Request would have succeeded, but DryRun flag is set.", 412)
    specs = [spec for spec in asked.get("TagSpecifications", []) if spec.get("ResourceType") == "instance"]
    tags = {tag["Key"]: tag.get("Value", "") for spec in specs for tag in spec.get("Tags", [])}
    records = [instances.reserve(_launch_of(asked, tags)) for _turn in range(asked["MinCount"])]
    for record in records:
        instances.background(functools.partial(instances.start, record), f"start {record['InstanceId']}")
    items = "".join(ec2._instance_xml(record) for record in records)
    inner = f"<instancesSet>{items}</instancesSet><reservationId>r-{new_uuid().replace('-', '')[:17]}</reservationId>"
    return ec2._xml(200, "RunInstancesResponse", f"{inner}<ownerId>{emulator.account()}</ownerId><groupSet/>")


def terminate_instances(params: Props) -> Any:
    return _ended("TerminateInstancesResponse", instances.terminate)


def stop_instances(params: Props) -> Any:
    return _ended("StopInstancesResponse", instances.stop)


def _ended(answer: str, end: Callable[[str], Any]) -> Any:
    ids = emulator.request().input["InstanceIds"]
    before = {instance_id: dict(instances.get(instance_id)["State"]) for instance_id in ids}
    items = ""
    for instance_id, then in before.items():
        end(instance_id)
        now = instances.get(instance_id)["State"]
        items += (
            f"<item><instanceId>{instance_id}</instanceId>"
            f"<previousState><code>{then['Code']}</code><name>{then['Name']}</name></previousState>"
            f"<currentState><code>{now['Code']}</code><name>{now['Name']}</name></currentState></item>"
        )
    return ec2._xml(200, answer, f"<instancesSet>{items}</instancesSet>")


def refuse(params: Props) -> Any:
    raise Refused("UnsupportedOperation", f"The local cloud does not serve {emulator.request().action}")


def reboot_instances(params: Props) -> Any:
    for instance_id in emulator.request().input["InstanceIds"]:
        instances.reboot(instance_id)
    return ec2._xml(200, "RebootInstancesResponse", "<return>true</return>")


def describe_status(params: Props) -> Any:
    """A status check is impaired when the container died by itself."""
    asked = emulator.request().input
    items = ""
    for record in list(ec2._instances.values()):
        instance_id, state = record["InstanceId"], record["State"]
        if instance_id not in asked.get("InstanceIds", [instance_id]) or (state["Name"] != "running" and not asked.get("IncludeAllInstances")):
            continue
        verdict = "impaired" if instances.impaired(instance_id) else "ok" if state["Name"] == "running" else "not-applicable"
        reach = {"impaired": "failed", "ok": "passed"}.get(verdict, "insufficient-data")
        status = f"<status>{verdict}</status><details><item><name>reachability</name><status>{reach}</status></item></details>"
        items += (
            f"<item><instanceId>{instance_id}</instanceId><availabilityZone>{record['Placement']['AvailabilityZone']}</availabilityZone>"
            f"<instanceState><code>{state['Code']}</code><name>{state['Name']}</name></instanceState>"
            f"<systemStatus>{status}</systemStatus><instanceStatus>{status}</instanceStatus></item>"
        )
    return ec2._xml(200, "DescribeInstanceStatusResponse", f"<instanceStatusSet>{items}</instanceStatusSet>")


# Filters of DescribeInstances → what of a record they look at. Tags are the emulator's; any other filter is refused, not ignored.
FILTERS: dict[str, Callable[[Props], list[str]]] = {
    "availability-zone": lambda record: [record["Placement"]["AvailabilityZone"]],
    "iam-instance-profile.arn": lambda record: [(record.get("IamInstanceProfile") or {}).get("Arn", "")],
    "image-id": lambda record: [record["ImageId"]],
    "instance-id": lambda record: [record["InstanceId"]],
    "instance-state-name": lambda record: [record["State"]["Name"]],
    "instance-type": lambda record: [record["InstanceType"]],
    "instance.group-id": lambda record: [group["GroupId"] for group in record["SecurityGroups"]],
    "private-ip-address": lambda record: [record["PrivateIpAddress"]],
    "subnet-id": lambda record: [record["SubnetId"]],
    "vpc-id": lambda record: [record["VpcId"]],
}


def matches(record: Props, filters: Mapping[str, list[str]]) -> bool:
    for name, values in filters.items():
        if name.startswith("tag:") or name in ("tag-key", "tag-value"):
            continue
        if name not in FILTERS:
            raise Refused("InvalidParameterValue", f"The filter '{name}' is invalid: the local cloud has {', '.join(FILTERS)}")
        if not any(ec2._glob_match(value, found) for value in values for found in FILTERS[name](record)):
            return False
    return bool(ec2._resource_matches_tag_filters(record["InstanceId"], filters))


def modify_attribute(params: Props) -> Any:
    """Security groups only."""
    asked = emulator.request().input
    record = instances.get(asked["InstanceId"])
    if not asked.get("Groups"):
        raise Refused("UnsupportedOperation", "The local cloud changes no attribute of an instance but its security groups")
    _regroup(record, asked["Groups"])
    return ec2._xml(200, "ModifyInstanceAttributeResponse", "<return>true</return>")


def _regroup(record: Props, groups: list[str]) -> None:
    record["SecurityGroups"] = [{"GroupId": g, "GroupName": ec2._security_groups.get(g, {}).get("GroupName", g)} for g in groups]
    fabric.set_groups(instances.container_of(record["InstanceId"]), groups)


def console_output(params: Props) -> Any:
    instance_id = emulator.request().input["InstanceId"]
    instances.get(instance_id)
    text = base64.b64encode(engine.console(instances.container_of(instance_id)).encode()).decode()
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
    return ec2._xml(200, "GetConsoleOutputResponse", f"<instanceId>{instance_id}</instanceId><timestamp>{stamp}</timestamp><output>{text}</output>")


# --- AWS::EC2::Instance -------------------------------------------------------------------------------------------


def _attributes(record: Props) -> dict[str, Any]:
    return {
        "AvailabilityZone": record["Placement"]["AvailabilityZone"],
        "InstanceId": record["InstanceId"],
        "PrivateDnsName": record["PrivateDnsName"],
        "PrivateIp": record["PrivateIpAddress"],
        "PublicDnsName": record["PublicDnsName"],
        "PublicIp": record["PublicIpAddress"],
        "VpcId": record["VpcId"],
    }


def create(logical_id: str, props: Props, stack_name: str) -> Made:
    tags = {str(tag["Key"]): str(tag["Value"]) for tag in props.get("Tags") or []}
    record = instances.launch(_launch_of(props, tags))
    return record["InstanceId"], _attributes(record)


def update(instance_id: str, old: Props, new: Props, stack_name: str) -> Made:
    record = instances.get(instance_id)
    if new.get("SecurityGroupIds") != old.get("SecurityGroupIds"):
        _regroup(record, new.get("SecurityGroupIds") or [])
    ec2._tags[instance_id] = [{"Key": str(tag["Key"]), "Value": str(tag["Value"])} for tag in new.get("Tags") or []]
    return instance_id, _attributes(record)


def delete(instance_id: str, props: Props) -> None:
    if instance_id in ec2._instances and (thread := instances.terminate(instance_id)):
        thread.join()


def install() -> None:
    emulator.register_type("AWS::EC2::Instance", create=create, update=update, delete=delete, replacing=REPLACING, blocking=True)
    ec2._matches_filters = matches
    actions: dict[str, Any] = {
        "DescribeInstanceStatus": describe_status,
        "GetConsoleOutput": console_output,
        "ModifyInstanceAttribute": modify_attribute,
        "RebootInstances": reboot_instances,
        "RunInstances": run_instances,
        "StopInstances": stop_instances,
        "TerminateInstances": terminate_instances,
    }
    for action, handler in actions.items():
        emulator.replace_action("ec2", action, handler, blocking=True)
    # What would only be written down, and not be true.
    for action in ("CreateDefaultVpc", "CreateFleet", "CreateVpc", "DeleteVpc", "StartInstances"):
        emulator.replace_action("ec2", action, refuse)
