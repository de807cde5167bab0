"""The trial of an image: before it is promoted it boots in development, and its machines tell on their consoles how that went."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .boot_record import TOLERANCE, objections

# As twine_machine/observe.py says it; a serial console puts its own time and process before that.
_TOLD = re.compile(r"machine-config: boot record (\{.*\})")


class TrialError(Exception):
    """An image is refused, or a kept record cannot be used; the message says which, why, and what to do."""


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


def summary(record: Mapping[str, Any]) -> str:
    """What a tag of the image says of its boot; a tag's value has 256 characters."""
    stage, seconds = max(record["stages"].items(), key=lambda item: float(item[1]), default=("nothing", 0.0))
    rate = f", {record['hit_rate']:.0%} out of warm caches" if "hit_rate" in record else ""
    return f"{stage} after {seconds:.1f} s{rate}, {record.get('began_at', '')}"[:256].rstrip(", ")


def try_image(
    role: str, image: str, ask: Callable[[], Mapping[str, str]], records: Records, *, tolerance: float = TOLERANCE, wait: float = 120.0
) -> dict[str, Any]:
    """The boot record of ``image``; ``ask`` gives each of its machines' console.

    What was let through before is let through again, and nobody is asked: a machine that runs for long may have said so much since
    that its console has lost the record.

    :raises TrialError: with all that is said against it.
    """
    if known := records.of(image):
        return known
    found = await_told(ask, wait)
    record, objected = judge(found, records.before(role, image), tolerance)
    if objected:
        raise TrialError(
            f"Failed to promote image {role} {image}: {'; '.join(objected)} ({len(found)} of its boots were looked at). "
            "Read the consoles of its machines, mend and bake it, or replace those machines for another try."
        )
    return record


def await_told(ask: Callable[[], Mapping[str, str]], seconds: float, pause: float = 2.0) -> list[dict[str, Any]]:
    """The records that consoles tell: as soon as each machine's does, or those that there are after so many seconds."""
    deadline = time.monotonic() + seconds
    while True:
        texts = ask()
        found = [record for record in map(told, texts.values()) if record]
        if len(found) == len(texts) or time.monotonic() >= deadline:
            return found
        time.sleep(pause)


def judge(records: Iterable[Mapping[str, Any]], before: Mapping[str, Any], tolerance: float = TOLERANCE) -> tuple[dict[str, Any], list[str]]:
    """Of one image's boots the quickest, and what is to be said against the image.

    One boot that went wrong is one too many, however well others went: what goes wrong now and then does so in production, too. Slowness
    is judged by the quickest boot, because a machine of a group may have had a bad neighbour.
    """
    boots = [dict(record) for record in records] or [{}]
    if wrong := [sentence for record in boots for sentence in objections(record, {}, tolerance)]:
        return {}, list(dict.fromkeys(wrong))
    best = min(boots, key=_end)
    return best, objections(best, before, tolerance)


def _end(record: Mapping[str, Any]) -> float:
    return max(record["stages"].values(), default=0.0)
