"""EC2 instances as containers: started from a baked image, at an address of their subnet, with honest states.

An instance is a container that runs the systemd of its image. Whoever stops it, the state shown follows the container.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml
from ministack.services import ec2

from local_cloud.plugin import default_vpc, emulator, engine, fabric, images, key_pairs, settings
from local_cloud.plugin.requests import Refused

log = logging.getLogger("local_cloud.instances")
SHUTDOWN_SECONDS = 30.0
STATES = {"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64, "stopped": 80}
TYPES: Mapping[str, Mapping[str, Any]] = yaml.safe_load((Path(__file__).parent.parent / "instance_types.yml").read_text())

Record = dict[str, Any]
Callback = Callable[[str, str, Record], None]
_callbacks: list[Callback] = []
_impaired: set[str] = set()


@dataclass(frozen=True)
class Launch:
    """What is needed to start one instance. `user_data` is base64, as the API has it; `profile` a name or an ARN."""

    image_id: str
    instance_type: str
    subnet_id: str
    security_groups: tuple[str, ...] = ()
    user_data: str = ""
    profile: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    private_ip: str | None = None
    key_name: str = ""
    public_address: bool = False
    metadata: Mapping[str, Any] = field(default_factory=dict)
    disks: tuple[Mapping[str, Any], ...] = ()
    volume_tags: Mapping[str, str] = field(default_factory=dict)


def on_event(callback: Callback) -> None:
    """Call back with (event, account, record): launched, died, terminating, terminated. On a plain thread, in its account's scope."""
    _callbacks.append(callback)


def _tell(event: str, record: Record) -> None:
    for callback in _callbacks:
        callback(event, emulator.account(), record)


def _set_state(record: Record, name: str) -> None:
    record["State"] = {"Code": STATES[name], "Name": name}


def get(instance_id: str) -> Record:
    record = ec2._instances.get(instance_id)
    if record is None:
        raise Refused("InvalidInstanceID.NotFound", f"The instance ID '{instance_id}' does not exist")
    found: Record = record
    return found


def container_of(instance_id: str) -> str:
    return f"{settings.PREFIX}-{instance_id}"


def running(instance_id: str) -> bool:
    """Whether its container runs; follows Docker's events, asks nothing."""
    return bool(get(instance_id)["State"]["Name"] == "running")


def impaired(instance_id: str) -> bool:
    """Whether its container died without being asked to."""
    return instance_id in _impaired


# --- launch -------------------------------------------------------------------------------------------------------


def from_template(wanted: Mapping[str, Any], subnet_id: str, tags: Mapping[str, str], **over: Any) -> Launch:
    """What a launch template says, for one subnet. `wanted` names the template and its version, as the APIs do."""
    number = str(wanted.get("Version") or "$Default")
    data, template, error = ec2._resolve_launch_template_data({**wanted, "Version": number})
    if error or template is None:
        raise Refused("InvalidLaunchTemplateId.NotFound", f"The launch template {wanted} does not exist")
    if number.isdigit() and int(number) > int(template["LatestVersionNumber"]):
        raise Refused("InvalidLaunchTemplateId.VersionNotFound", f"Could not find launch template version {number}")
    return from_data(data, subnet_id, tags, **over)


def from_data(data: Mapping[str, Any], subnet_id: str, tags: Mapping[str, str], **over: Any) -> Launch:
    """Launch template data, RunInstances input or a stack's properties: they use the same words."""
    interfaces = data.get("NetworkInterfaces") or [{}]
    profile = data.get("IamInstanceProfile") or {}
    specs = [s for s in data.get("TagSpecifications") or [] if s.get("ResourceType") == "instance"]
    own = {t["Key"]: t["Value"] for spec in specs for t in spec.get("Tags", [])}
    volumes = [s for s in data.get("TagSpecifications") or [] if s.get("ResourceType") == "volume"]
    launch = Launch(
        image_id=data.get("ImageId", ""),
        instance_type=data.get("InstanceType", ""),
        subnet_id=subnet_id or data.get("SubnetId") or interfaces[0].get("SubnetId", ""),
        security_groups=tuple(data.get("SecurityGroupIds") or interfaces[0].get("Groups") or interfaces[0].get("GroupSet") or ()),
        user_data=data.get("UserData", ""),
        profile=profile if isinstance(profile, str) else profile.get("Arn") or profile.get("Name") or "",
        tags={**own, **tags},
        private_ip=data.get("PrivateIpAddress") or interfaces[0].get("PrivateIpAddress"),
        key_name=data.get("KeyName", ""),
        public_address=str(interfaces[0].get("AssociatePublicIpAddress", "")).lower() == "true",
        metadata=data.get("MetadataOptions") or {},
        disks=tuple(disk for disk in data.get("BlockDeviceMappings") or () if disk.get("Ebs")),
        volume_tags={t["Key"]: t["Value"] for spec in volumes for t in spec.get("Tags", [])},
    )
    return replace(launch, **over)


def launch(spec: Launch) -> Record:
    """Start one instance and wait until its container runs."""
    record = reserve(spec)
    start(record)
    return record


def reserve(spec: Launch) -> Record:
    """Check everything and enter the instance as pending; `start` makes it run."""
    images.launchable(spec.image_id, by_group="aws:autoscaling:groupName" in spec.tags)
    if not spec.subnet_id:
        spec = replace(spec, subnet_id=default_vpc.subnet())
    if spec.instance_type not in TYPES:
        raise Refused("Unsupported", f"The instance type '{spec.instance_type}' is not in local_cloud/instance_types.yml. Types: {', '.join(TYPES)}.")
    subnet = ec2._subnets.get(spec.subnet_id)
    if subnet is None:
        raise Refused("InvalidSubnetID.NotFound", f"The subnet ID '{spec.subnet_id}' does not exist")
    emulator.faults.refuse_capacity(spec.instance_type, subnet["AvailabilityZone"])
    groups = list(spec.security_groups) or [ec2._vpcs[subnet["VpcId"]]["DefaultSecurityGroupId"]]
    for group in groups:
        if ec2._security_groups.get(group, {}).get("VpcId") != subnet["VpcId"]:
            raise Refused("InvalidGroup.NotFound", f"The security group '{group}' does not exist in VPC '{subnet['VpcId']}'")
    named = {"iam_arn": spec.profile} if spec.profile.startswith("arn:") else {"iam_name": spec.profile}
    profile, error = ec2._resolve_iam_instance_profile(**named)
    if error:
        raise Refused(
            "InvalidParameterValue", f"Value ({spec.profile}) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name"
        )
    place = fabric.place(spec.subnet_id, spec.private_ip)
    record: Record
    [record] = ec2._launch_instances_internal(
        spec.image_id, spec.instance_type, spec.subnet_id, 1, spec.key_name, spec.user_data, groups, place.address, profile
    )
    dashed = place.address.replace(".", "-")
    public = ec2._random_ip("203.0.113.") if spec.public_address or subnet.get("MapPublicIpOnLaunch") else ""
    record |= {
        "PublicIpAddress": public,
        "PublicDnsName": f"ec2-{public.replace('.', '-')}.{settings.REGION}.compute.amazonaws.com" if public else "",
        "PrivateDnsName": f"ip-{dashed}.{settings.REGION}.compute.internal",
        "Placement": {"AvailabilityZone": place.zone, "Tenancy": "default"},
        "MetadataOptions": dict(spec.metadata),
        "_place": place,
        "_public_key": ec2._key_pairs.get(spec.key_name, {}).get("PublicKeyMaterial", ""),
    }
    _set_state(record, "pending")
    _attach(record, spec)
    if spec.tags:
        ec2._tags[record["InstanceId"]] = [{"Key": key, "Value": str(value)} for key, value in spec.tags.items()]
    return record


def _attach(record: Record, spec: Launch) -> None:
    """The root volume as the launch words it; a record, for the disk is the container's."""
    [volume] = [ec2._volumes[item["Ebs"]["VolumeId"]] for item in record["BlockDeviceMappings"]]
    wanted: Mapping[str, Any] = next((disk["Ebs"] for disk in spec.disks if disk.get("DeviceName") == record["RootDeviceName"]), {})
    volume |= {
        "AvailabilityZone": record["Placement"]["AvailabilityZone"],
        "Size": int(wanted.get("VolumeSize", volume["Size"])),
        "VolumeType": wanted.get("VolumeType", volume["VolumeType"]),
        "Encrypted": str(wanted.get("Encrypted", False)).lower() == "true",
        "KmsKeyId": wanted.get("KmsKeyId", ""),
    }
    kept = str(wanted.get("DeleteOnTermination", True)).lower() == "false"
    volume["Attachments"][0]["DeleteOnTermination"] = record["BlockDeviceMappings"][0]["Ebs"]["DeleteOnTermination"] = not kept
    if spec.volume_tags:
        ec2._tags[volume["VolumeId"]] = [{"Key": key, "Value": str(value)} for key, value in spec.volume_tags.items()]


def start(record: Record) -> None:
    """Create and start the container of a pending instance; running when this returns, gone when it raises."""
    instance_id, place = record["InstanceId"], record["_place"]
    image = images.find(record["ImageId"])
    size = TYPES[record["InstanceType"]]
    try:
        engine.run_container(
            container_of(instance_id),
            image["_docker"],
            network=place.network,
            ip=place.address,
            hostname=record["PrivateDnsName"].partition(".")[0],
            cpus=size["cpus"],
            # Under pressure, too, a larger machine stays the stronger one.
            cpu_shares=int(size["cpus"] * settings.SHARES_OF_A_PROCESSOR),
            memory=size["memory"],
            systemd=True,
            labels={
                settings.LABEL_INSTANCE: instance_id,
                settings.LABEL_ACCOUNT: emulator.account(),
                settings.LABEL_ROLE: images.role(image),
            },
        )
        fabric.enroll(container_of(instance_id), record["SubnetId"], [group["GroupId"] for group in record["SecurityGroups"]])
        if image["OwnerId"] == images.DEBIAN and (key := key_pairs.let_in(record["_public_key"], emulator.plain(record["UserData"]))):
            # By a process in it: a file that Docker puts there would leave mount points behind, and an image would have them.
            engine.exec_in(container_of(instance_id), ["sh", "-c", 'echo "$1" > /root/.ssh/authorized_keys', "sh", key])
    except (engine.EngineError, RuntimeError, OSError) as error:
        _discard(record)
        raise Refused("InternalError", f"Failed to start {instance_id} from {record['ImageId']}: {error}", 500) from error
    if record["State"]["Name"] == "pending":
        _set_state(record, "running")
    _tell("launched", record)


def _discard(record: Record) -> None:
    engine.remove(container_of(record["InstanceId"]))
    fabric.withdraw(container_of(record["InstanceId"]))
    fabric.release(record["_place"])
    for item in record["BlockDeviceMappings"]:
        volume = ec2._volumes.get(item["Ebs"]["VolumeId"])
        if volume and item["Ebs"]["DeleteOnTermination"]:
            del ec2._volumes[volume["VolumeId"]]
            ec2._tags.pop(volume["VolumeId"], None)
        elif volume:
            volume |= {"State": "available", "Attachments": []}
    _set_state(record, "terminated")
    record["_terminated_at"] = time.time()


# --- the rest of a life -------------------------------------------------------------------------------------------


def background(work: Callable[[], None], name: str) -> threading.Thread:
    """Run on a thread of its own, in the current account's scope."""
    owner = emulator.account()

    def scoped() -> None:
        with emulator.scope(owner):
            try:
                work()
            except Exception:
                log.exception("Failed to %s", name)

    thread = threading.Thread(target=scoped, name=name, daemon=True)
    thread.start()
    return thread


def terminate(instance_id: str, grace: bool = True) -> threading.Thread | None:
    """Ask systemd to halt, then remove. Returns at once, with the thread that does it (None when it is gone already)."""
    record = get(instance_id)
    if record["State"]["Name"] in ("shutting-down", "terminated"):
        return None
    _set_state(record, "shutting-down")

    def halt() -> None:
        _tell("terminating", record)
        if grace:
            engine.stop(container_of(instance_id), SHUTDOWN_SECONDS)
        _discard(record)
        _impaired.discard(instance_id)
        _tell("terminated", record)

    return background(halt, f"terminate {instance_id}")


def stop(instance_id: str) -> None:
    """Ask systemd to halt and keep the container, of which an image can be made; nothing starts it again."""
    record = get(instance_id)
    if "aws:autoscaling:groupName" in {tag["Key"] for tag in ec2._tags.get(instance_id, [])}:
        raise Refused("UnsupportedOperation", "The local cloud stops no instance of an auto scaling group: terminate it")
    if record["State"]["Name"] not in ("pending", "running"):
        return
    _set_state(record, "stopping")

    def halt() -> None:
        engine.stop(container_of(instance_id), SHUTDOWN_SECONDS)
        fabric.withdraw(container_of(instance_id))
        if record["State"]["Name"] == "stopping":
            _set_state(record, "stopped")

    background(halt, f"stop {instance_id}")


def reboot(instance_id: str) -> None:
    """A new network namespace, so the fabric is told again."""
    record = get(instance_id)
    record["_rebooting"] = True

    def again() -> None:
        name = container_of(instance_id)
        engine.restart(name, SHUTDOWN_SECONDS)
        fabric.enroll(name, record["SubnetId"], [group["GroupId"] for group in record["SecurityGroups"]])
        record.pop("_rebooting", None)

    background(again, f"reboot {instance_id}")


def _container_died(name: str, labels: Mapping[str, str], exit_code: int) -> None:
    """A container that nobody asked to end: the instance has failed its status check and is shown as stopped."""
    instance_id, owner = labels.get(settings.LABEL_INSTANCE), labels.get(settings.LABEL_ACCOUNT)
    if not instance_id or not owner:
        return
    with emulator.scope(owner):
        record = ec2._instances.get(instance_id)
        if record is None or record.get("_rebooting") or record["State"]["Name"] not in ("running", "pending"):
            return
        log.warning("%s died with exit code %s", name, exit_code)
        _impaired.add(instance_id)
        _set_state(record, "stopped")
        _tell("died", record)


def install() -> None:
    engine.on_died(_container_died)
