"""Boot records compared: an image that boots slower than the one before it, or not well, is not promoted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# A second boot of one image differs by so much on a quiet machine.
TOLERANCE = 1.25
# What is over within this time, in seconds, is not judged by its ratio.
GRACE = 1.0
JUDGED = ("machine_config_end", "started", "ready", "first_good_answer")
WARM = 0.9


def objections(record: Mapping[str, Any], before: Mapping[str, Any], tolerance: float = TOLERANCE) -> list[str]:
    """Why the image of ``record`` must not be promoted: a sentence each, none if it may be.

    ``record`` and ``before`` are /run/machine/boot.json of the image's trial boot and of its predecessor's, which may be empty. Records
    of a container and of a virtual machine are not compared with each other: the one begins with its kernel, the other does not.
    """
    if record.get("format") != 1 or not isinstance(record.get("stages"), Mapping):
        return ["it has no boot record. Boot it once, and take /run/machine/boot.json"]
    found = [*_failures(record)]
    if before.get("format") == 1 and before.get("container") == record.get("container"):
        found += _slower(record["stages"], before.get("stages", {}), tolerance)
    return found


def _failures(record: Mapping[str, Any]) -> list[str]:
    found = []
    if record.get("outcome") != "configured":
        found.append(f"it could not configure itself: {record.get('error', 'it did not come so far')}")
    if record.get("ready") is False:
        found.append("it did not become ready")
    elif record.get("ready") and "first_good_answer" not in record["stages"]:
        found.append("its first answer was no good one")
    failed = [name for name, unit in record.get("units", {}).items() if unit.get("state") == "failed"]
    if failed:
        found.append(f"{', '.join(sorted(failed))} failed")
    rate = record.get("hit_rate")
    if rate is not None and rate < WARM:
        found.append(f"its caches were cold: {rate:.0%} of the first looks were hits, {WARM:.0%} are wanted")
    return found


def _slower(stages: Mapping[str, float], before: Mapping[str, float], tolerance: float) -> list[str]:
    found = []
    for stage in JUDGED:
        if stage not in before:
            continue
        if stage not in stages:
            found.append(f"it did not reach {stage}, which its predecessor did")
        elif stages[stage] > max(before[stage] * tolerance, before[stage] + GRACE):
            found.append(f"it reached {stage} after {stages[stage]:.1f} s, its predecessor after {before[stage]:.1f} s")
    return found
