"""A reaper takes what is ours, old and unused, in an order in which it can go; and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ansible_collections.twine.platform.plugins.module_utils._images.reaping import Account, launched, left

NOW = datetime(2026, 1, 10, tzinfo=UTC)
OLD, YOUNG = NOW - timedelta(hours=30), NOW - timedelta(hours=2)
BUILDER, OURS = {"twine:role": "builder"}, {"twine:role": "twine", "twine:bake-key": "k1"}


def tags(words: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in words.items()]


def instance(made: datetime, words: dict[str, str], **more: Any) -> dict[str, Any]:
    return {"InstanceId": "i-1", "State": {"Name": "running"}, "LaunchTime": made, "ImageId": "ami-0", "Tags": tags(words), **more}


def image(words: dict[str, str], made: datetime = OLD, name: str = "ami-1") -> dict[str, Any]:
    disks = [{"Ebs": {"SnapshotId": f"snap-{name}"}}]
    return {"ImageId": name, "CreationDate": made.isoformat(), "Tags": tags(words), "BlockDeviceMappings": disks}


def snapshot(words: dict[str, str], of: str = "ami-1") -> dict[str, Any]:
    return {"SnapshotId": f"snap-{of}", "StartTime": OLD, "Tags": tags(words)}


def group(made: datetime, name: str = "packer_{:08x}-0000-0000-0000-000000000000") -> dict[str, Any]:
    return {"GroupId": "sg-1", "GroupName": name.format(int(made.timestamp())), "Tags": tags(BUILDER)}


def key(made: datetime) -> dict[str, Any]:
    return {"KeyPairId": "key-1", "KeyName": "packer_1", "CreateTime": made, "Tags": tags(BUILDER)}


def volume(made: datetime, state: str = "available") -> dict[str, Any]:
    return {"VolumeId": "vol-1", "State": state, "CreateTime": made, "Tags": tags(BUILDER)}


def found(account: Account, *named: str) -> list[str]:
    return [f"{one.kind} {one.id}" for one in left(account, named, 24, NOW)]


@pytest.mark.parametrize(
    ("account", "gone"),
    [
        (Account(instances=[instance(OLD, BUILDER)]), ["instance i-1"]),
        (Account(instances=[instance(YOUNG, BUILDER)]), []),
        (Account(instances=[instance(OLD, {"twine:role": "twine"})]), []),
        (Account(instances=[instance(OLD, BUILDER, State={"Name": "terminated"})]), []),
        (Account(key_pairs=[key(OLD)]), ["key_pair key-1"]),
        (Account(key_pairs=[key(YOUNG)]), []),
        (Account(key_pairs=[key(OLD)], instances=[instance(YOUNG, BUILDER, KeyName="packer_1")]), []),
        (Account(groups=[group(OLD)]), ["group sg-1"]),
        (Account(groups=[group(YOUNG)]), []),
        (Account(groups=[group(OLD, "made-by-hand")]), []),
        (Account(groups=[group(OLD)], instances=[instance(YOUNG, BUILDER, SecurityGroups=[{"GroupId": "sg-1"}])]), []),
        (Account(volumes=[volume(OLD)]), ["volume vol-1"]),
        (Account(volumes=[volume(OLD, "in-use")]), []),
    ],
)
def test_of_a_builder_what_is_old_and_not_in_use(account: Account, gone: list[str]) -> None:
    assert found(account) == gone


@pytest.mark.parametrize(
    ("account", "named", "gone"),
    [
        (Account(images=[image(OURS)]), [], ["image ami-1"]),
        (Account(images=[image(OURS, YOUNG)]), [], []),
        (Account(images=[image({"Name": "somebody's"})]), [], []),
        (Account(images=[image(OURS)]), ["ami-1"], []),
        (Account(images=[image({**OURS, "twine:copied-from": "ami-9"})]), ["ami-9"], []),
        (Account(images=[image(OURS)], instances=[instance(OLD, {}, ImageId="ami-1")]), [], []),
        (Account(images=[image(OURS)], templates=[{"LaunchTemplateData": {"ImageId": "ami-1"}}]), [], []),
        (Account(images=[image(OURS)], snapshots=[snapshot(OURS)]), [], ["image ami-1", "snapshot snap-ami-1"]),
        (Account(images=[image(OURS)], snapshots=[snapshot(OURS)]), ["ami-1"], []),
        (Account(snapshots=[snapshot(OURS), snapshot({}, "ami-2")]), [], ["snapshot snap-ami-1"]),
        (Account(images=[image({**BUILDER, "twine:bake-key": "k1"})]), [], ["image ami-1"]),
    ],
)
def test_images_that_nothing_names_and_nothing_launches(account: Account, named: list[str], gone: list[str]) -> None:
    assert found(account, *named) == gone


def test_an_image_that_another_account_launches_stays_with_its_snapshot() -> None:
    prod = Account(templates=[{"LaunchTemplateData": {"ImageId": "ami-1"}}], instances=[instance(OLD, {}, ImageId="ami-2")])
    dev = Account(images=[image(OURS), image(OURS, name="ami-2"), image(OURS, name="ami-3")], snapshots=[snapshot(OURS)])

    assert launched(prod) == {"ami-1", "ami-2"}
    assert [one.id for one in left(dev, [], 24, NOW, launched(prod))] == ["ami-3"]


def test_a_builder_halts_before_what_it_holds_goes() -> None:
    account = Account([instance(OLD, BUILDER)], [key(OLD)], [group(OLD)], [volume(OLD)], [image(OURS)], [snapshot(OURS)])
    assert [line.split()[0] for line in found(account)] == ["instance", "image", "snapshot", "volume", "key_pair", "group"]
