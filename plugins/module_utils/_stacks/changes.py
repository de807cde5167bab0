"""What a change set will do, and what of it nobody may do by accident."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

# Resources that hold what can't be made again from a template.
STATEFUL_TYPES = (
    "AWS::RDS::DBInstance",
    "AWS::RDS::DBCluster",
    "AWS::ElastiCache::ReplicationGroup",
    "AWS::ElastiCache::CacheCluster",
    "AWS::EC2::Volume",
    "AWS::EFS::FileSystem",
    "AWS::S3::Bucket",
    "AWS::DynamoDB::Table",
    "AWS::SecretsManager::Secret",
    "AWS::KMS::Key",
    "AWS::Route53::HostedZone",
    "AWS::Logs::LogGroup",
)


@dataclass(frozen=True)
class Change:
    """One resource's change. ``replacement`` is True, False or Conditional, in CloudFormation's words."""

    action: str
    logical_id: str
    type: str
    replacement: str = "False"
    properties: tuple[str, ...] = ()

    @property
    def destroys(self) -> bool:
        """Whether the resource that stands now goes away, or may."""
        return self.action == "Remove" or (self.action == "Modify" and self.replacement != "False")

    def __str__(self) -> str:
        words = {"Add": "add", "Remove": "delete", "Modify": "modify", "Import": "import", "Dynamic": "decide"}
        verb = words.get(self.action, self.action.lower())
        if self.action == "Modify" and self.replacement != "False":
            verb = "replace" if self.replacement == "True" else "maybe replace"
        because = f": {', '.join(self.properties)}" if self.properties else ""
        return f"{verb} {self.logical_id} ({self.type}{because})"


def read(raw: Iterable[Mapping[str, Any]]) -> tuple[Change, ...]:
    """The resource changes of DescribeChangeSet, riskiest first."""
    changes = [_one(item["ResourceChange"]) for item in raw if "ResourceChange" in item]
    return tuple(sorted(changes, key=lambda change: (_risk(change), change.logical_id)))


def _one(raw: Mapping[str, Any]) -> Change:
    targets = [detail.get("Target", {}) for detail in raw.get("Details", [])]
    names = {str(target.get("Name") or target.get("Attribute", "")) for target in targets}
    return Change(
        action=str(raw["Action"]),
        logical_id=str(raw["LogicalResourceId"]),
        type=str(raw["ResourceType"]),
        replacement=str(raw.get("Replacement") or "False"),
        properties=tuple(sorted(names - {""})),
    )


def _risk(change: Change) -> int:
    if change.action == "Remove":
        return 0
    if change.destroys:
        return 1
    return {"Modify": 2, "Add": 3}.get(change.action, 4)


def summary(changes: Iterable[Change]) -> str:
    """Counts, riskiest first: "1 replaced, 2 modified, 3 added"."""
    words = ("deleted", "replaced", "modified", "added", "other")
    counts = Counter(words[_risk(change)] for change in changes)
    return ", ".join(f"{counts[word]} {word}" for word in words if counts[word]) or "no resource"


def refused(key: str, changes: Iterable[Change], stateful: frozenset[str], allowed: frozenset[str]) -> list[Change]:
    """Changes that would destroy something stateful and were not named as ``account/stack.LogicalId``."""
    return [
        change
        for change in changes
        if change.destroys and (change.type in STATEFUL_TYPES or change.logical_id in stateful) and f"{key}.{change.logical_id}" not in allowed
    ]
