"""The trial of an image: before it is promoted it boots in development, and its machines tell on their consoles how that went."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .boot_record import TOLERANCE, objections

# As twine_machine/observe.py says it; a serial console puts its own time and process before that.
_TOLD = re.compile(r"machine-config: boot record (\{.*\})")


class TrialError(Exception):
    """A kept record cannot be used; the message says which, why, and what to do."""


def told(console: str) -> dict[str, Any]:
    """The record of the last boot that a console tells; empty if it tells none, or one that was cut off."""
    for text in reversed(_TOLD.findall(console)):
        try:
            found = json.loads(text)
        except ValueError:
            continue
        if isinstance(found, dict):
            return found
    return {}


@dataclass(frozen=True)
class Records:
    """Boot records of images that were let through, in ``folder``: ``<image id>.json`` with ``role``, ``image`` and ``record``."""

    folder: Path

    def of(self, image: str) -> dict[str, Any]:
        """The record of ``image``; empty if there is none.

        :raises TrialError: if it is broken.
        """
        return self._read(self._path(image)).get("record", {}) if self._path(image).exists() else {}

    def before(self, role: str, image: str) -> dict[str, Any]:
        """The record of the image of ``role`` that was let through last before ``image``; empty if ``image`` is the first.

        :raises TrialError: if a record is broken.
        """
        kept = [self._read(path) for path in sorted(self.folder.glob("*.json"))]
        others = [one["record"] for one in kept if one["role"] == role and one["image"] != image]
        return max(others, key=lambda record: str(record.get("began_at", "")), default={})

    def text(self, role: str, image: str, record: Mapping[str, Any]) -> str:
        """What is kept of ``image``."""
        return json.dumps({"role": role, "image": image, "record": record}, indent=1) + "\n"

    def keep(self, role: str, image: str, record: Mapping[str, Any]) -> None:
        """Keeps the record of ``image``, whole or not at all."""
        self.folder.mkdir(parents=True, exist_ok=True)
        staged = self._path(image).with_suffix(".new")
        staged.write_text(self.text(role, image, record), encoding="utf-8")
        staged.replace(self._path(image))

    def _path(self, image: str) -> Path:
        return self.folder / f"{image}.json"

    @staticmethod
    def _read(path: Path) -> dict[str, Any]:
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            found = None
        if not isinstance(found, dict) or not {"role", "image", "record"} <= found.keys() or not isinstance(found["record"], dict):
            raise TrialError(f"Failed to read the boot record {path}: it lacks role, image or record. Remove it; promoting makes it again.")
        return found


def judge(records: Iterable[Mapping[str, Any]], before: Mapping[str, Any], tolerance: float = TOLERANCE) -> tuple[dict[str, Any], list[str]]:
    """Of one image's boots the best, and what is to be said against it.

    The best, because a machine of a group may have had a bad neighbour; a bad image has no good boot.
    """
    judged = [(dict(record), objections(record, before, tolerance)) for record in records]
    return min(judged, key=lambda one: (len(one[1]), _end(one[0])), default=({}, objections({}, before, tolerance)))


def _end(record: Mapping[str, Any]) -> float:
    stages = record.get("stages")
    return max(stages.values(), default=0.0) if isinstance(stages, Mapping) else 0.0
