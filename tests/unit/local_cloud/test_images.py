"""Images belong to accounts, are made of stopped instances, and are copied by those who may read them."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from xml.etree import ElementTree

import pytest
from ministack.services import ec2, kms

from local_cloud.plugin import emulator, engine, images, keys, settings
from local_cloud.plugin.requests import Refused, Request
from tests.unit.local_cloud.estate import DEV

PROD = "222222222222"
BAKED = engine.Image("0123456789abcdef0" + "f" * 47, ("p/twine:1",), {"twine.role": "twine", "twine.bake_key": "k1"}, 1, 0)
BASE = engine.Image("fedcba9876543210f" + "e" * 47, ("p/cloud-debian:1",), {}, 1764201600, 0)
Call = Callable[..., list[dict[str, str]]]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch) -> Iterator[Call]:
    """Calls an action as an account; what it answered, an image each."""
    monkeypatch.setattr(engine, "images", lambda: [BAKED])
    monkeypatch.setattr(engine, "image", lambda name: BASE)
    monkeypatch.setattr(engine, "commit", lambda container, repository, name, labels: f"{repository}:{name}")
    monkeypatch.setattr(engine, "tag", lambda existing, repository, name: f"{repository}:{name}")
    monkeypatch.setattr(engine, "remove_image", lambda name: None)
    monkeypatch.setattr(settings, "CLOCK_FACTOR", 1000.0)
    kms._keys._data.clear()
    handlers = {
        "CopyImage": images.copy,
        "CreateImage": images.create,
        "DeregisterImage": images.deregister,
        "DescribeImages": images.describe,
        "ModifyImageAttribute": lambda params: images.modify(ec2._modify_image_attribute, params),
        "ModifySnapshotAttribute": images.share_snapshot,
    }

    def made(action: str, account: str = DEV, flat: dict[str, list[str]] | None = None, **given: Any) -> list[dict[str, str]]:
        token = emulator._request.set(Request("ec2", action, given))
        try:
            with emulator.scope(account):
                status, _headers, body = handlers[action](flat or {})
        finally:
            emulator._request.reset(token)
        assert status == 200, body
        root = ElementTree.fromstring(body.decode())
        rows = [node for node in root.iter() if node.tag.endswith("item") and any(child.tag.endswith("imageId") for child in node)] or [root]
        return [{child.tag.rpartition("}")[2]: child.text or "" for child in row} for row in rows]

    yield made
    for thread in threading.enumerate():
        if thread.name.startswith("ami-"):
            thread.join(5)


def builder(state: str = "stopped", key: str = "") -> str:
    """An instance of dev with a small encrypted disk."""
    [record] = ec2._launch_instances_internal(images._id(BASE), "t3.medium", "subnet-dev", 1)
    record["State"] = {"Code": 80, "Name": state}
    ec2._volumes[record["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]] |= {"Size": 4, "Encrypted": True, "KmsKeyId": key}
    return str(record["InstanceId"])


def key_of(account: str, *readers: str) -> str:
    with emulator.scope(account):
        policy = {"Statement": [{"Principal": {"AWS": [f"arn:aws:iam::{one}:root" for one in (account, *readers)]}}]}
        return str(json.loads(kms._create_key({"Policy": json.dumps(policy)})[2])["KeyMetadata"]["KeyId"])


def state_of(call: Call, image: str, account: str = DEV) -> str:
    ends = time.monotonic() + 5
    while True:
        state = call("DescribeImages", account, ImageIds=[image])[0]["imageState"]
        if state != "pending" or time.monotonic() > ends:
            return state
        time.sleep(0.01)


def made(call: Call, **more: Any) -> str:
    image = call("CreateImage", InstanceId=builder(**more), Name="bastion-k1")[0]["imageId"]
    assert state_of(call, image) == "available"
    return image


def share(call: Call, image: str) -> None:
    flat = {"ImageId": [image], "LaunchPermission.Add.1.UserId": [PROD]}
    call("ModifyImageAttribute", flat=flat, ImageId=image, LaunchPermission={"Add": [{"UserId": PROD}]})
    snapshot = ec2._images[image]["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]
    call("ModifySnapshotAttribute", SnapshotId=snapshot, CreateVolumePermission={"Add": [{"UserId": PROD}]})


def test_debians_image_is_found_by_owner_and_name_and_a_baked_one_is_everybodys_own(call: Call) -> None:
    name = {"Name": "name", "Values": [f"debian-12-{images.ARCHITECTURES[images.platform.machine()]}-*"]}
    [found] = call("DescribeImages", Owners=[images.DEBIAN], Filters=[name])
    assert (found["imageId"], found["imageOwnerId"], found["name"][-14:]) == ("ami-fedcba9876543210f", images.DEBIAN, "-20251127-0000")
    for account in (DEV, PROD):
        [own] = call("DescribeImages", account, Owners=["self"])
        assert (own["imageId"], own["imageOwnerId"], own["name"]) == ("ami-0123456789abcdef0", account, "twine-k1")


def test_an_unknown_filter_is_refused(call: Call) -> None:
    with pytest.raises(Refused, match="The filter 'hypervisor' is invalid"):
        call("DescribeImages", Filters=[{"Name": "hypervisor", "Values": ["xen"]}])


def test_an_image_is_made_of_a_stopped_instance_for_its_account_alone(call: Call) -> None:
    with pytest.raises(Refused, match="stopped instances only"):
        call("CreateImage", InstanceId=builder("running"), Name="bastion-k1")
    image = made(call)
    [found] = call("DescribeImages", ImageIds=[image])
    assert (found["imageOwnerId"], found["isPublic"]) == (DEV, "false")
    [snapshot] = ec2._snapshots.values()
    assert (snapshot["VolumeSize"], snapshot["Encrypted"], snapshot["State"]) == (4, True, "completed")
    with pytest.raises(Refused, match="does not exist"):
        call("DescribeImages", PROD, ImageIds=[image])
    with pytest.raises(Refused, match="already in use"):
        call("CreateImage", InstanceId=builder(), Name="bastion-k1")


def test_a_commit_that_fails_is_a_failed_image_that_says_why(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: Any) -> str:
        raise engine.EngineError("no space left on device", 500)

    monkeypatch.setattr(engine, "commit", full)
    image = call("CreateImage", InstanceId=builder(), Name="bastion-k1")[0]["imageId"]
    assert state_of(call, image) == "failed"
    assert ec2._images[image]["_why"] == "no space left on device"


def test_metadata_of_version_two_is_written_on_an_image(call: Call) -> None:
    image = made(call)
    call("ModifyImageAttribute", ImageId=image, ImdsSupport={"Value": "v2.0"})
    assert call("DescribeImages", ImageIds=[image])[0]["imdsSupport"] == "v2.0"
    with pytest.raises(Refused, match="Not authorized for image"):
        call("ModifyImageAttribute", PROD, ImageId=image, ImdsSupport={"Value": "v2.0"})


def test_a_copy_needs_the_image_its_storage_and_its_key(call: Call) -> None:
    image = made(call, key=key_of(DEV))
    asked = {"SourceImageId": image, "SourceRegion": settings.REGION, "Name": "bastion-k1", "Encrypted": True}
    with pytest.raises(Refused, match="does not exist: this account has none"):
        call("CopyImage", PROD, **asked)
    call(
        "ModifyImageAttribute",
        flat={"ImageId": [image], "LaunchPermission.Add.1.UserId": [PROD]},
        ImageId=image,
        LaunchPermission={"Add": [{"UserId": PROD}]},
    )
    with pytest.raises(Refused, match="permission to access the storage"):
        call("CopyImage", PROD, **asked)
    share(call, image)
    with pytest.raises(Refused, match="not accessible to account 222222222222"):
        call("CopyImage", PROD, **asked)


def test_what_awss_own_key_encrypted_cannot_be_shared(call: Call) -> None:
    with pytest.raises(Refused, match="EBS default key cannot be shared"):
        share(call, made(call))


def test_an_image_that_is_shared_is_launched_where_its_key_may_be_used(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    image = made(call, key=key_of(DEV))
    images.launchable(image, by_group=True)
    with emulator.scope(PROD), pytest.raises(Refused, match="does not exist: this account has none"):
        images.launchable(image, by_group=True)
    share(call, image)
    with emulator.scope(PROD), pytest.raises(Refused, match=r"Client error on launch: key .* of account 111111111111 can't be used"):
        images.launchable(image, by_group=True)
    monkeypatch.setattr(keys, "opens", lambda owner, key, by_group: (owner, by_group) == (DEV, True))
    with emulator.scope(PROD):
        images.launchable(image, by_group=True)


def test_a_copy_belongs_to_who_made_it_under_a_key_of_its_own(call: Call) -> None:
    image, key = made(call, key=key_of(DEV, PROD)), key_of(PROD)
    share(call, image)
    asked = {"SourceImageId": image, "SourceRegion": settings.REGION, "Name": "bastion-k1", "Encrypted": True, "KmsKeyId": key}
    tags = [{"ResourceType": "image", "Tags": [{"Key": "twine:copied-from", "Value": image}]}]
    copy = call("CopyImage", PROD, TagSpecifications=tags, **asked)[0]["imageId"]
    assert state_of(call, copy, PROD) == "available"
    [found] = call("DescribeImages", PROD, Owners=["self"], Filters=[{"Name": "tag:twine:copied-from", "Values": [image]}])
    assert (found["imageId"], found["imageOwnerId"]) == (copy, PROD)
    with emulator.scope(PROD):
        assert [snapshot["KmsKeyId"] for snapshot in ec2._snapshots.values()] == [key]
        call("DeregisterImage", PROD, ImageId=copy)
        assert not list(ec2._images)


def test_a_snapshot_goes_after_its_image(call: Call) -> None:
    image = made(call)
    snapshot = ec2._images[image]["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]
    token = emulator._request.set(Request("ec2", "DeleteSnapshot", {"SnapshotId": snapshot}))
    try:
        with pytest.raises(Refused, match="currently in use"):
            images.delete_snapshot(ec2._delete_snapshot, {"SnapshotId": [snapshot]})
        ec2._images.clear()
        assert images.delete_snapshot(ec2._delete_snapshot, {"SnapshotId": [snapshot]})[0] == 200
    finally:
        emulator._request.reset(token)
