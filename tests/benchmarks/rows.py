"""A row: what was measured, and the bar that it is held against."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

RESULTS = Path(__file__).resolve().parents[2] / "build" / "bench" / "results.json"


@dataclass(frozen=True)
class Row:
    """One measurement; `value` may be at most `limit`, or with `least` must be at least that. `peer` says what it was compared with."""

    id: str
    what: str
    value: float
    limit: float
    unit: str
    peer: str = ""
    least: bool = False

    @property
    def met(self) -> bool:
        return self.value >= self.limit if self.least else self.value <= self.limit

    def line(self) -> str:
        """The row for people."""
        sign = "≥" if self.least else "≤"
        peer = f"   ({self.peer})" if self.peer else ""
        return f"  {'ok  ' if self.met else 'MISS'}  {self.id:<14} {self.value:8.2f} {self.unit:<3} {sign} {self.limit:g}   {self.what}{peer}"


def machine() -> str:
    """What the figures were taken on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors, {memory:.0f} GiB, Python {platform.python_version()}"


def record(rows: Sequence[Row], path: Path = RESULTS) -> None:
    """Put the rows into the file of results; rows of other runs stay."""
    known = json.loads(path.read_text()) if path.exists() else {}
    known |= {row.id: {"value": round(row.value, 3), "bar": row.limit, "unit": row.unit, "met": row.met, "peer": row.peer} for row in rows}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(dict(sorted(known.items())), indent=1) + "\n")
