"""When this boot came how far: /run/machine/boot.json."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from twine_machine import files

# systemd's own mark, and those of Docker and Podman, which do not tell systemd.
CONTAINER_MARKS = (Path("/run/systemd/container"), Path("/.dockerenv"), Path("/run/.containerenv"))


class Stages:
    """Seconds since the machine began to start, by stage.

    A virtual machine begins with its kernel. A container has its host's kernel, so it begins with its first process.
    """

    def __init__(self, path: Path, proc: Path = Path("/proc"), container: bool | None = None) -> None:
        self._path = path
        self._container = any(mark.exists() for mark in CONTAINER_MARKS) if container is None else container
        first = _started(proc / "1" / "stat")
        self.begin = first if self._container else 0.0
        self._record: dict[str, object] = {
            "format": 1,
            "container": self._container,
            "began_at": _utc(time.time() - (time.clock_gettime(time.CLOCK_BOOTTIME) - self.begin)),
        }
        # The unit is ordered after network-online.target: its process starts when the network is there.
        self._stages = {"init": first - self.begin, "network": _started(proc / "self" / "stat") - self.begin}
        if not self._container:
            self._stages = {"kernel": 0.0, **self._stages}

    def reach(self, stage: str) -> None:
        """Stamp a stage with the time of now."""
        self._stages[stage] = time.clock_gettime(time.CLOCK_BOOTTIME) - self.begin

    def resume(self) -> None:
        """Go on with what this boot has recorded so far."""
        if self._path.is_file():
            self._record = json.loads(self._path.read_text(encoding="utf-8"))
            stages = self._record["stages"]
            if isinstance(stages, dict):
                self._stages = stages

    @property
    def failed(self) -> bool:
        """Say whether the machine could not configure itself."""
        return self._record.get("outcome") == "failed"

    def note(self, **facts: object) -> None:
        """Add facts to the record."""
        self._record.update(facts)

    @property
    def record(self) -> dict[str, object]:
        """Return the record as it is so far."""
        return {**self._record, "stages": {name: round(seconds, 3) for name, seconds in self._stages.items()}}

    def save(self) -> None:
        """Write the record."""
        files.make_folder(self._path.parent)
        files.write(self._path, json.dumps(self.record, indent=2) + "\n")


def _started(stat: Path) -> float:
    # The command in parentheses may hold blanks; the start is the 22nd field, in clock ticks since the kernel's boot.
    fields = stat.read_text().rpartition(")")[2].split()
    return int(fields[19]) / os.sysconf("SC_CLK_TCK")


def _utc(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
