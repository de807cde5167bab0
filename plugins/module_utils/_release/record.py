"""What was published last, as ``playbooks/publish_packages.yml`` notes it: our packages, and what the snapshot holds besides."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .release import ReleaseError

_PARTS = ("version", "architecture", "sha256")


def contents(record: Mapping[str, Any], where: str = "the snapshot") -> dict[str, Any]:
    """The keys ``snapshot``, ``packages`` and ``distribution`` of a release, from the record of its snapshot.

    :raises ReleaseError: if the record lacks one of them.
    """
    try:
        ours = dict(record["packages"])
        return {"snapshot": record["snapshot"], "packages": ours, "distribution": _others(record.get("index", []), ours)}
    except (KeyError, TypeError, ValueError) as error:
        raise ReleaseError(f"Failed to read {where}: it lacks {error}. Publish again with playbooks/publish_packages.yml.") from None


def _others(index: Iterable[Mapping[str, Any]], ours: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """The packages of an index that are not ours, by name; by ``name:architecture`` where there are several of a name."""
    named: dict[str, dict[str, dict[str, str]]] = {}
    for entry in index:
        named.setdefault(entry["name"], {})[entry["architecture"]] = {part: entry[part] for part in _PARTS}
    return {
        name if len(found) == 1 else f"{name}:{architecture}": package
        for name, found in named.items()
        if name not in ours
        for architecture, package in found.items()
    }
