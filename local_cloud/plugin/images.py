"""Machine images: what `make bake` left in Docker, Debian's own, and those that CreateImage and CopyImage make.

An image of CreateImage is a commit of the builder's container. It belongs to one account, has a snapshot, tags and launch permissions,
and lives as long as the cloud. What `make bake` left in Docker every account sees as its own; Debian's is the base image with sshd.
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/creating-an-ami-ebs.html
"""

from __future__ import annotations

import platform
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from xml.sax.saxutils import escape

from ministack.services import ec2

from local_cloud.plugin import emulator, engine, keys, settings
from local_cloud.plugin.requests import Refused

Record = dict[str, Any]
LABEL_IMAGE = "twine.image"
DEBIAN = "136693071363"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
MACHINE = {"x86_64": "x86_64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
# What a copy of a snapshot takes, before the clock factor.
COPY_SECONDS = 30.0
ROOT = "/dev/xvda"


# --- what there is ------------------------------------------------------------------------------------------------


def _id(image: engine.Image) -> str:
    return f"ami-{image.id[:17]}"


def _derived(image: engine.Image, name: str, owner: str, **more: Any) -> Record:
    """An image that Docker holds and that no call has made."""
    disk = {"DeviceName": ROOT, "Ebs": {"SnapshotId": f"snap-{image.id[:17]}", "VolumeSize": 8, "VolumeType": "gp3", "DeleteOnTermination": True}}
    return {
        "ImageId": _id(image),
        "Name": name,
        "Description": f"Docker image {', '.join(image.tags)}",
        "Architecture": MACHINE,
        "OwnerId": owner,
        "CreationDate": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(image.created)),
        "BlockDeviceMappings": [disk],
        "State": "available",
        "_docker": image.tags[0] if image.tags else image.id,
        **more,
    }


def _baked() -> Iterator[Record]:
    """Every account sees every baked image, as if it were its own."""
    for image in engine.images():
        role = image.labels.get(settings.LABEL_ROLE)
        if role and LABEL_IMAGE not in image.labels and settings.LABEL_PART not in image.labels:
            ec2._tags[_id(image)] = [{"Key": key, "Value": value} for key, value in image.labels.items() if key.startswith("twine.")]
            name = f"{role}-{image.labels.get('twine.bake_key', image.id[:12])}"
            yield _derived(image, name, emulator.account(), _role=role)


def _debian() -> Iterator[Record]:
    """Debian's own image of this machine's architecture: https://wiki.debian.org/Cloud/AmazonEC2Image/Bookworm"""
    if (found := engine.image(settings.image("debian"))) is not None:
        day = time.strftime("%Y%m%d", time.gmtime(found.created))
        name = f"debian-12-{ARCHITECTURES[platform.machine()]}-{day}-0000"
        yield _derived(found, name, DEBIAN, LaunchPermissions=[{"Group": "all"}], _role="debian", _cloud_init=True)


def visible() -> Iterator[Record]:
    """The images that the current account may launch: its own, those shared with it, and public ones."""
    account = emulator.account()
    for (owner, region, _id), record in list(ec2._images.all_items()):
        shared = any(one.get("UserId") == account or one.get("Group") == "all" for one in record.get("LaunchPermissions", []))
        if region == settings.REGION and (owner == account or shared):
            yield record
    yield from _baked()
    yield from _debian()


def find(wanted: str) -> Record:
    """The image that the current account may launch by this id."""
    for record in visible():
        if record["ImageId"] == wanted:
            if record["State"] != "available":
                raise Refused("InvalidAMIID.Unavailable", f"The image ID '[{wanted}]' is {record['State']}")
            return record
    raise Refused("InvalidAMIID.NotFound", f"The image id '[{wanted}]' does not exist: this account has none of that id. Bake it first.")


def launchable(wanted: str, by_group: bool) -> None:
    """Refused if there is no such image, or if it is another account's and the current one can't read its disk."""
    record = find(wanted)
    snapshot = ec2._snapshots.get_scoped(record["OwnerId"], settings.REGION, record["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"])
    if record["OwnerId"] == emulator.account() or not snapshot or not snapshot["Encrypted"]:
        return
    if not keys.opens(record["OwnerId"], snapshot["KmsKeyId"], by_group):
        raise Refused("Client.InternalError", f"Client error on launch: key {snapshot['KmsKeyId']} of account {record['OwnerId']} can't be used")


def role(record: Mapping[str, Any]) -> str:
    """What a machine of it is."""
    return str(record.get("_role") or _tags(record["ImageId"]).get("twine:role", "image"))


def own(wanted: str) -> Record:
    """The account's image that a call made, to be changed."""
    record = ec2._images.get(wanted)
    if record is None:
        if any(key == wanted for (_account, _region, key), _record in list(ec2._images.all_items())):
            raise Refused("AuthFailure", f"Not authorized for image:{wanted}")
        raise Refused("InvalidAMIID.NotFound", f"The image id '[{wanted}]' does not exist")
    found: Record = record
    return found


# --- DescribeImages -----------------------------------------------------------------------------------------------


def _tags(resource: str) -> dict[str, str]:
    return {tag["Key"]: tag.get("Value", "") for tag in ec2._tags.get(resource, [])}


def _public(record: Mapping[str, Any]) -> str:
    return "true" if any(one.get("Group") == "all" for one in record.get("LaunchPermissions", [])) else "false"


# Filters of DescribeImages → what of an image they look at; any other is refused, not ignored.
FILTERS: dict[str, Callable[[Record], str]] = {
    "architecture": lambda record: str(record["Architecture"]),
    "image-id": lambda record: str(record["ImageId"]),
    "is-public": _public,
    "name": lambda record: str(record["Name"]),
    "owner-id": lambda record: str(record["OwnerId"]),
    "root-device-type": lambda record: "ebs",
    "state": lambda record: str(record["State"]),
    "virtualization-type": lambda record: "hvm",
}


def _matches(record: Record, filters: Mapping[str, list[str]]) -> bool:
    for name, values in filters.items():
        if name.startswith("tag:") or name in ("tag-key", "tag-value"):
            continue
        if name not in FILTERS:
            raise Refused("InvalidParameterValue", f"The filter '{name}' is invalid: the local cloud has {', '.join(FILTERS)}")
        if not any(ec2._glob_match(value, FILTERS[name](record)) for value in values):
            return False
    return bool(ec2._resource_matches_tag_filters(record["ImageId"], filters))


def _xml(record: Record) -> str:
    """An image as DescribeImages words it."""
    disks = "".join(
        f"<item><deviceName>{disk['DeviceName']}</deviceName><ebs><snapshotId>{disk['Ebs']['SnapshotId']}</snapshotId>"
        f"<volumeSize>{disk['Ebs']['VolumeSize']}</volumeSize><volumeType>{disk['Ebs']['VolumeType']}</volumeType>"
        f"<deleteOnTermination>true</deleteOnTermination><encrypted>{str(bool(disk['Ebs'].get('Encrypted'))).lower()}</encrypted></ebs></item>"
        for disk in record["BlockDeviceMappings"]
    )
    imds = f"<imdsSupport>{record['ImdsSupport']}</imdsSupport>" if record.get("ImdsSupport") else ""
    why = f"<stateReason><code>Client.Error</code><message>{escape(record['_why'])}</message></stateReason>" if record.get("_why") else ""
    return (
        f"<item><imageId>{record['ImageId']}</imageId><imageLocation>{record['OwnerId']}/{escape(record['Name'])}</imageLocation>"
        f"<imageState>{record['State']}</imageState><imageOwnerId>{record['OwnerId']}</imageOwnerId><isPublic>{_public(record)}</isPublic>"
        f"<architecture>{record['Architecture']}</architecture><imageType>machine</imageType><name>{escape(record['Name'])}</name>"
        f"<description>{escape(record.get('Description', ''))}</description><rootDeviceType>ebs</rootDeviceType>"
        f"<rootDeviceName>{ROOT}</rootDeviceName><blockDeviceMapping>{disks}</blockDeviceMapping><virtualizationType>hvm</virtualizationType>"
        f"<hypervisor>xen</hypervisor><enaSupport>true</enaSupport><creationDate>{record['CreationDate']}</creationDate>{imds}{why}"
        f"{_tag_set(record)}</item>"
    )


def _tag_set(record: Record) -> str:
    """Tags are seen by the account that wrote them: an image's do not travel with it when it is shared."""
    return str(ec2._tag_set_xml(record["ImageId"]))


def describe(params: Record) -> Any:
    asked = emulator.request().input
    owners, ids = asked.get("Owners"), asked.get("ImageIds")
    filters = {item["Name"]: item.get("Values", []) for item in asked.get("Filters", [])}
    found = list(visible())
    if missing := [wanted for wanted in ids or [] if wanted not in {record["ImageId"] for record in found}]:
        raise Refused("InvalidAMIID.NotFound", f"The image id '[{', '.join(missing)}]' does not exist")
    account = emulator.account()
    kept = [
        record
        for record in found
        if (not ids or record["ImageId"] in ids)
        and (not owners or record["OwnerId"] in owners or ("self" in owners and record["OwnerId"] == account))
        and _matches(record, filters)
    ]
    return ec2._xml(200, "DescribeImagesResponse", f"<imagesSet>{''.join(map(_xml, kept))}</imagesSet>")


# --- CreateImage, CopyImage, DeregisterImage ----------------------------------------------------------------------


def _new_name(name: str) -> str:
    if not ec2._AMI_NAME_RE.match(name):
        raise Refused("InvalidAMIName.Malformed", f"The AMI name '{name}' is not valid: 3 to 128 letters, digits, and ()[] ./-'@_")
    for record in ec2._images.values():
        if record["Name"] == name:
            raise Refused("InvalidAMIName.Duplicate", f"AMI name {name} is already in use by AMI {record['ImageId']}")
    return name


def _enter(name: str, source: Mapping[str, Any], disk: Mapping[str, Any], **more: Any) -> Record:
    """A new image of the current account with a snapshot of its own, pending until `_settle`."""
    snapshot_id, image_id, account = ec2._new_snapshot_id(), ec2._new_image_id(), emulator.account()
    ec2._snapshots[snapshot_id] = {
        "SnapshotId": snapshot_id,
        "VolumeId": disk.get("VolumeId", "vol-ffffffff"),
        "VolumeSize": disk["VolumeSize"],
        "Description": f"Created for {image_id}",
        "State": "pending",
        "StartTime": ec2._now_ts(),
        "Progress": "0%",
        "OwnerId": account,
        "Encrypted": bool(disk.get("Encrypted")),
        "KmsKeyId": disk.get("KmsKeyId", ""),
        "StorageTier": "standard",
    }
    mapped = {"SnapshotId": snapshot_id, "VolumeSize": disk["VolumeSize"], "VolumeType": disk["VolumeType"], "Encrypted": bool(disk.get("Encrypted"))}
    record: Record = {
        "ImageId": image_id,
        "Name": _new_name(name),
        "Description": "",
        "Architecture": source["Architecture"],
        "OwnerId": account,
        "CreationDate": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime()),
        "BlockDeviceMappings": [{"DeviceName": ROOT, "Ebs": mapped}],
        "State": "pending",
        "_cloud_init": source.get("_cloud_init", False),
        "_role": "",
        **more,
    }
    ec2._images[image_id] = record
    return record


def _tag(record: Record, specifications: list[Mapping[str, Any]]) -> None:
    targets = {"image": record["ImageId"], "snapshot": record["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]}
    for specification in specifications:
        if target := targets.get(specification.get("ResourceType", "")):
            ec2._tags[target] = [{"Key": tag["Key"], "Value": tag.get("Value", "")} for tag in specification.get("Tags", [])]


def _settle(record: Record, why: str = "") -> None:
    """The image is there, or it failed and says why."""
    snapshot = ec2._snapshots.get(record["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"])
    if why:
        record |= {"State": "failed", "_why": why}
    else:
        record["State"] = "available"
    if snapshot:
        snapshot |= {"State": "error" if why else "completed", "Progress": "100%"}


def _in_background(record: Record, work: Callable[[], None]) -> None:
    owner = emulator.account()

    def scoped() -> None:
        with emulator.scope(owner):
            try:
                work()
                _settle(record)
            except (Refused, engine.EngineError) as error:
                _settle(record, str(error))

    threading.Thread(target=scoped, name=record["ImageId"], daemon=True).start()


def create(params: Record) -> Any:
    """Commit the container of a stopped instance: one that runs would have to be frozen, which nothing here needs."""
    asked = emulator.request().input
    instance = ec2._instances.get(asked["InstanceId"])
    if instance is None:
        raise Refused("InvalidInstanceID.NotFound", f"The instance ID '{asked['InstanceId']}' does not exist")
    if instance["State"]["Name"] != "stopped":
        raise Refused("IncorrectInstanceState", f"The local cloud images stopped instances only; '{asked['InstanceId']}' is not stopped")
    volume = ec2._volumes[instance["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]]
    disk = {**volume, "VolumeSize": volume["Size"]}
    source = next((record for record in visible() if record["ImageId"] == instance["ImageId"]), {"Architecture": MACHINE})
    record = _enter(asked["Name"], source, disk, Description=asked.get("Description", ""))
    _tag(record, asked.get("TagSpecifications", []))
    name, image_id = f"{settings.PREFIX}-{asked['InstanceId']}", record["ImageId"]

    def commit() -> None:
        record["_docker"] = engine.commit(name, f"{settings.PREFIX}/image", image_id, {LABEL_IMAGE: image_id, settings.LABEL_ROLE: "image"})

    _in_background(record, commit)
    return ec2._xml(200, "CreateImageResponse", f"<imageId>{image_id}</imageId>")


def copy(params: Record) -> Any:
    """Under the caller's own key; the source's storage must be shared with the caller, and its key must let the caller use it."""
    asked = emulator.request().input
    source = find(asked["SourceImageId"])
    if "_docker" not in source or source["OwnerId"] == DEBIAN or asked["SourceRegion"] != settings.REGION:
        raise Refused("UnsupportedOperation", "The local cloud copies images of its one region that CreateImage or CopyImage made, or a bake")
    disk = source["BlockDeviceMappings"][0]["Ebs"]
    if source["OwnerId"] != emulator.account():
        _may_read(source["OwnerId"], disk["SnapshotId"])
    key = asked.get("KmsKeyId", "")
    if key and keys.find(emulator.account(), key) is None:
        raise Refused("InvalidParameterValue", f"The KMS key '{key}' does not exist in this account")
    sealed = {**disk, "Encrypted": bool(asked.get("Encrypted") or disk.get("Encrypted")), "KmsKeyId": key or keys.DEFAULT}
    record = _enter(asked["Name"], source, sealed, Description=asked.get("Description", ""), ImdsSupport=source.get("ImdsSupport", ""))
    _tag(record, asked.get("TagSpecifications", []))

    def wait() -> None:
        snapshot = ec2._snapshots[record["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]]
        for tenth in range(1, 10):
            time.sleep(COPY_SECONDS / settings.CLOCK_FACTOR / 10)
            snapshot["Progress"] = f"{tenth}0%"
        record["_docker"] = engine.tag(source["_docker"], f"{settings.PREFIX}/image", record["ImageId"])

    _in_background(record, wait)
    return ec2._xml(200, "CopyImageResponse", f"<imageId>{record['ImageId']}</imageId>")


def _may_read(owner: str, snapshot_id: str) -> None:
    """https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/how-to-copy-ami-across-accounts.html"""
    snapshot = ec2._snapshots.get_scoped(owner, settings.REGION, snapshot_id)
    account = emulator.account()
    if snapshot and not any(one.get("UserId") == account for one in snapshot.get("CreateVolumePermissions", [])):
        raise Refused("InvalidRequest", "You do not have permission to access the storage of this ami")
    if snapshot and snapshot["Encrypted"]:
        key = keys.find(owner, snapshot["KmsKeyId"])
        if key is None or account not in str(key.get("Policy", key)):
            raise Refused("InvalidRequest", f"The given key ID {snapshot['KmsKeyId']} is not accessible to account {account}")


def deregister(params: Record) -> Any:
    """The image goes; its snapshot stays until it is deleted."""
    record = own(emulator.request().input["ImageId"])
    del ec2._images[record["ImageId"]]
    ec2._tags.pop(record["ImageId"], None)
    if "_docker" in record:
        engine.remove_image(record["_docker"])
    return ec2._xml(200, "DeregisterImageResponse", "<return>true</return>")


def delete_snapshot(original: Callable[[Record], Any], params: Record) -> Any:
    """Refused while an image is made of it."""
    wanted = emulator.request().input["SnapshotId"]
    for record in ec2._images.values():
        if any(disk["Ebs"]["SnapshotId"] == wanted for disk in record["BlockDeviceMappings"]):
            raise Refused("InvalidSnapshot.InUse", f"The snapshot {wanted} is currently in use by {record['ImageId']}")
    return original(params)


def modify(original: Callable[[Record], Any], params: Record) -> Any:
    """Support of metadata and description here, launch permissions in the emulator."""
    asked = emulator.request().input
    record = own(asked["ImageId"])
    changes = {name: asked[name]["Value"] for name in ("ImdsSupport", "Description") if asked.get(name)}
    if not changes:
        return original(params)
    record.update(changes)
    return ec2._xml(200, "ModifyImageAttributeResponse", "<return>true</return>")


def share_snapshot(params: Record) -> Any:
    """CreateVolumePermission; what AWS's own key encrypted cannot be shared."""
    asked = emulator.request().input
    snapshot = ec2._snapshots.get(asked["SnapshotId"])
    if snapshot is None:
        raise Refused("InvalidSnapshot.NotFound", f"The snapshot '{asked['SnapshotId']}' does not exist.")
    change = asked.get("CreateVolumePermission", {})
    add, drop = change.get("Add", []), change.get("Remove", [])
    if asked.get("OperationType") == "add":
        add = [{"UserId": user} for user in asked.get("UserIds", [])]
    if add and snapshot["Encrypted"] and keys.find(emulator.account(), snapshot.get("KmsKeyId", "")) is None:
        raise Refused("OperationNotPermitted", "Encrypted snapshots with EBS default key cannot be shared")
    kept = [one for one in snapshot.get("CreateVolumePermissions", []) if one not in [*add, *drop]]
    snapshot["CreateVolumePermissions"] = [*kept, *add]
    return ec2._xml(200, "ModifySnapshotAttributeResponse", "<return>true</return>")


def install() -> None:
    original = emulator.original_action
    drop, change = original("ec2", "DeleteSnapshot"), original("ec2", "ModifyImageAttribute")
    actions: dict[str, Callable[[Record], Any]] = {
        "CopyImage": copy,
        "CreateImage": create,
        "DeleteSnapshot": lambda params: delete_snapshot(drop, params),
        "DeregisterImage": deregister,
        "DescribeImages": describe,
        "ModifyImageAttribute": lambda params: modify(change, params),
        "ModifySnapshotAttribute": share_snapshot,
    }
    for action, handler in actions.items():
        emulator.replace_action("ec2", action, handler, blocking=True)
    emulator.replace_action("ec2", "RegisterImage", _refuse)
    worded = ec2._snapshot_inner_xml
    ec2._snapshot_inner_xml = lambda snapshot: worded(snapshot) + f"<kmsKeyId>{_key_of(snapshot)}</kmsKeyId>"


def _key_of(snapshot: Mapping[str, Any]) -> str:
    return snapshot.get("KmsKeyId") or (keys.DEFAULT if snapshot.get("Encrypted") else "")


def _refuse(params: Record) -> Any:
    raise Refused("UnsupportedOperation", "The local cloud registers no image: CreateImage makes one of an instance")
