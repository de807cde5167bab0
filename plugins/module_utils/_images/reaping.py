"""What bakes have left in an account, and which images nobody uses any more. Decided from what EC2 describes; nothing is asked here.

A builder's own things are known by the tag ``twine:role=builder``, images and snapshots of ours by ``twine:bake-key``. Nothing else is looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from .._aws.images import snapshots_of, tags_of

_RUNNING = ("pending", "running", "stopping", "stopped")
# Packer names its groups packer_<UUID>, of which the first eight digits are the second in which it was made. A group tells no time itself.
_GROUP, _DIGITS = "packer_", 8


@dataclass(frozen=True)
class Account:
    """What an account has: rows as EC2 describes them."""

    instances: list[dict[str, Any]] = field(default_factory=list)
    key_pairs: list[dict[str, Any]] = field(default_factory=list)
    groups: list[dict[str, Any]] = field(default_factory=list)
    volumes: list[dict[str, Any]] = field(default_factory=list)
    images: list[dict[str, Any]] = field(default_factory=list)
    snapshots: list[dict[str, Any]] = field(default_factory=list)
    templates: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Left:
    """Something that nobody uses: ``kind`` is the word of :class:`Account`'s field without its plural."""

    kind: str
    id: str
    why: str


def launched(account: Account) -> set[str]:
    """The images that its machines run from, or that its launch templates name; they may be another account's."""
    running = {row["ImageId"] for row in account.instances if row["State"]["Name"] in _RUNNING}
    return running | {str(row["LaunchTemplateData"].get("ImageId", "")) for row in account.templates}


def left(account: Account, named: Iterable[str], hours: float, now: datetime, elsewhere: Iterable[str] = ()) -> list[Left]:
    """What may go, in the order in which it can go.

    :param named: image ids that releases name, whatever the account.
    :param elsewhere: what other accounts launch.
    :param hours: nothing younger is looked at, for a bake may be under way.
    """
    old = _Old(hours, now)
    found = [*_builders(account, old), *_unused(account, frozenset(named), launched(account).union(elsewhere), old)]
    order = ("instance", "image", "snapshot", "volume", "key_pair", "group")
    return sorted(found, key=lambda one: (order.index(one.kind), one.id))


@dataclass(frozen=True)
class _Old:
    hours: float
    now: datetime

    def __call__(self, made: datetime | str | None) -> bool:
        if made is None:
            return False
        moment = datetime.fromisoformat(made) if isinstance(made, str) else made
        return self.age(moment) >= self.hours

    def age(self, moment: datetime) -> float:
        return (self.now - moment).total_seconds() / 3600


def _is_builders(row: Mapping[str, Any]) -> bool:
    return tags_of(row).get("twine:role") == "builder"


def _builders(account: Account, old: _Old) -> Iterable[Left]:
    """Builders that have run for too long, and what is theirs."""
    running = [row for row in account.instances if row["State"]["Name"] in _RUNNING]
    for row in running:
        if _is_builders(row) and old(row["LaunchTime"]):
            yield Left("instance", row["InstanceId"], f"a builder for {tags_of(row).get('Name', '?')}, started {row['LaunchTime']:%Y-%m-%d %H:%M}")
    # What a builder that may still be at work has is left alone.
    young = [row for row in running if not (_is_builders(row) and old(row["LaunchTime"]))]
    used_keys = {row.get("KeyName") for row in young}
    used_groups = {group["GroupId"] for row in young for group in row.get("SecurityGroups", [])}
    for row in account.key_pairs:
        if _is_builders(row) and old(row.get("CreateTime")) and row["KeyName"] not in used_keys:
            yield Left("key_pair", row["KeyPairId"], f"a builder's key ({row['KeyName']}), and no builder has it")
    for row in account.groups:
        if _is_builders(row) and old(_made(row["GroupName"])) and row["GroupId"] not in used_groups:
            yield Left("group", row["GroupId"], f"a builder's security group ({row['GroupName']}), and no builder is in it")
    for row in account.volumes:
        if _is_builders(row) and row["State"] == "available" and old(row.get("CreateTime")):
            yield Left("volume", row["VolumeId"], "a builder's disk, and no builder has it")


def _made(group: str) -> datetime | None:
    digits = group.removeprefix(_GROUP)[:_DIGITS]
    try:
        return datetime.fromtimestamp(int(digits, 16), UTC) if group.startswith(_GROUP) and len(digits) == _DIGITS else None
    except ValueError:
        return None


def _unused(account: Account, named: frozenset[str], launched: set[str], old: _Old) -> Iterable[Left]:
    """Images of ours that no release names and nothing launches, with their snapshots, and snapshots whose image is gone."""
    kept: set[str] = set()
    for row in account.images:
        tags = tags_of(row)
        ours = "twine:bake-key" in tags
        used = row["ImageId"] in launched or row["ImageId"] in named or tags.get("twine:copied-from") in named
        if ours and not used and old(row["CreationDate"]):
            yield Left("image", row["ImageId"], f"{row.get('Name', '?')}: no release names it, no template and no machine uses it")
        else:
            kept |= set(snapshots_of(row))
    for row in account.snapshots:
        if "twine:bake-key" in tags_of(row) and row["SnapshotId"] not in kept and old(row["StartTime"]):
            yield Left("snapshot", row["SnapshotId"], f"of {tags_of(row).get('Name', '?')}, whose image goes or is gone")
