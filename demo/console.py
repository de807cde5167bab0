"""A line a step: what it does, how long still, and what it proved."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Self

from rich.console import Console
from rich.status import Status

from demo.report import StepResult

TYPICAL = {
    "packages": 55.0, "repository": 55.0, "images": 75.0, "stacks": 45.0, "serving": 20.0, "only_way_in": 5.0,
    "kill": 8.0, "spike": 40.0, "rollout": 150.0, "scale_in": 75.0,
}  # fmt: skip
"""Seconds a step takes on two cores, until a run on this machine has recorded its own."""


class Teller:
    """Prints the story. ``recorded`` is the file in which the steps' last durations are kept from run to run."""

    def __init__(self, recorded: Path) -> None:
        self.console = Console(highlight=False, soft_wrap=True)
        self._recorded = recorded
        self._typical = dict(TYPICAL)
        if recorded.exists():
            self._typical |= json.loads(recorded.read_text())

    def whole(self) -> float:
        """The seconds that the whole story is expected to take."""
        return sum(self._typical[name] for name in TYPICAL)

    def telling(self, name: str, title: str) -> Telling:
        """The line of step ``name`` while it runs: its clock, and what remains by the last run's time."""
        return Telling(self.console, title, self._typical[name])

    def told(self, number: int, step: StepResult, says: str) -> None:
        """The line of a step that is done."""
        mark = "[green]✓[/]" if step.ok else "[red]✗[/]"
        self.console.print(f"{mark} [bold]{number:>2} {step.title:<26}[/][dim]{step.seconds:>6.1f} s[/]  {says}")
        for sentence in step.broken:
            self.console.print(f"     [red]not true: {sentence}[/]")

    def record(self, steps: list[StepResult]) -> None:
        """Keeps the durations of the steps that went well, for the next run's estimates."""
        self._typical |= {step.name: round(step.seconds, 1) for step in steps if step.ok}
        self._recorded.parent.mkdir(parents=True, exist_ok=True)
        self._recorded.write_text(json.dumps(self._typical, indent=2) + "\n")


class Telling:
    """A status line that moves; outside a terminal, one plain line at the beginning."""

    def __init__(self, console: Console, title: str, typical: float) -> None:
        self._console, self._title, self._typical = console, title, typical
        self._begun = time.monotonic()
        self._stopped = threading.Event()
        self._status: Status | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._status = self._console.status(self._line())
            self._status.start()
            self._thread.start()
        else:
            self._console.print(f"  … {self._title} (about {self._typical:.0f} s)")
        return self

    def __exit__(self, *_error: object) -> None:
        self._stopped.set()
        if self._status:
            self._thread.join()
            self._status.stop()

    def _run(self) -> None:
        while self._status and not self._stopped.wait(1.0):
            self._status.update(self._line())

    def _line(self) -> str:
        gone = time.monotonic() - self._begun
        left = self._typical - gone
        remains = f"about {left:.0f} s left" if left > 0 else "longer than last time"
        return f"{self._title} [dim]{gone:.0f} s, {remains}[/]"
