"""When each stage of a boot was reached, in seconds since the kernel started: ``/run/machine/boot.json``."""

from __future__ import annotations

import json
from pathlib import Path

from .files import write

UPTIME = Path("/proc/uptime")


def stamp(folder: Path, stage: str, seconds: float | None = None) -> None:
    """Notes that ``stage`` is reached now (or at ``seconds``). A stage that was noted in this boot keeps its first stamp.

    In a container "the kernel's start" is the host's: only differences between stages mean something there.
    """
    path = folder / "boot.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    known.setdefault(stage, round(now() if seconds is None else seconds, 2))
    write(path, json.dumps(known, indent=1) + "\n", 0o644)


def now() -> float:
    """Seconds since the kernel started."""
    return float(UPTIME.read_text().split()[0])
