"""What a person sees while stacks are deployed: what, how far, how long still."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from .graph import UNKNOWN_SECONDS, Graph, remaining

Emit = Callable[[str], None]


def duration(seconds: float) -> str:
    """Seconds as a person says them: "8.2 s", "3 min 20 s"."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds) // 60} min {int(seconds) % 60:02d} s"


@dataclass
class Progress:
    """Counts stacks and estimates the rest from recorded durations."""

    emit: Emit
    graph: Graph
    estimates: Mapping[str, float]
    selected: frozenset[str]
    now: Callable[[], float] = time.monotonic
    _started: dict[str, float] = field(default_factory=dict)
    _done: set[str] = field(default_factory=set)
    _doing: dict[str, str] = field(default_factory=dict)
    _guard: threading.Lock = field(default_factory=threading.Lock)
    _width: int = 0
    _ending: bool = False

    def __post_init__(self) -> None:
        self._width = max((len(key) for key in self.selected), default=0)
        self._longest = remaining(self.graph, self.estimates)

    def line(self, verb: str, key: str, text: str = "") -> None:
        """One line in columns."""
        self.emit(f"{verb:<9} {key:<{self._width}}  {text}".rstrip())

    def started(self, key: str, what: str) -> None:
        """``key`` begins."""
        with self._guard:
            self._started[key] = self.now()
            self._doing[key] = what
        usual = self.estimates.get(key)
        self.line("start", key, f"{what}{f', took {duration(usual)} last time' if usual else ''}")

    def doing(self, key: str, what: str) -> None:
        """What ``key`` is at now, for the next heartbeat."""
        with self._guard:
            self._doing[key] = what

    def finished(self, key: str, verb: str, text: str = "") -> None:
        """``key`` ended."""
        with self._guard:
            self._done.add(key)
            seconds = self.now() - self._started.pop(key, self.now())
            self._doing.pop(key, None)
        self.line(verb, key, f"{text} in {duration(seconds)}  [{self.standing()}]".lstrip())

    def ending(self) -> None:
        """Nothing more is begun; only what runs is waited for."""
        self._ending = True

    def settled(self, key: str) -> None:
        """``key`` needed nothing."""
        with self._guard:
            self._done.add(key)

    def standing(self) -> str:
        """How far, and how long still."""
        left = self.left()
        return f"{len(self._done)} of {len(self.selected)}" + (f", about {duration(left)} left" if left >= 1 else "")

    def left(self) -> float:
        """Estimated seconds to the end: the longest of what runs and waits."""
        with self._guard:
            now = self.now()
            rest = 0.0
            for key in self._started if self._ending else self.selected - self._done:
                own = self.estimates.get(key, UNKNOWN_SECONDS)
                gone = now - self._started[key] if key in self._started else 0.0
                whole = own if self._ending else self._longest[key]
                rest = max(rest, whole - min(gone, own))
            return rest

    def heartbeat(self) -> None:
        """One line for everything that runs."""
        with self._guard:
            now = self.now()
            running = [f"{key} {self._doing.get(key, '')} {duration(now - since)}" for key, since in self._started.items()]
        if running:
            self.emit(f"running   {self.standing()}: {'; '.join(running)}")
