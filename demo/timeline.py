"""What happened when: the load, the answers and the machines, second by second."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from demo.load import Sample, quantile


@dataclass(frozen=True, slots=True)
class Second:
    """One second of the story. ``at`` counts seconds from its beginning; ``machines`` counts serving machines by release."""

    at: int
    requests: int
    failed: int
    deferred: int
    p50_ms: float
    p99_ms: float
    machines: dict[str, int]


@dataclass(frozen=True, slots=True)
class Mark:
    """Something to be seen on the plots: a kill, the start of a spike, a rollout."""

    at: float
    says: str


class Watch:
    """Asks ``count`` for the serving machines by release once a second, in a thread of its own, and keeps the answers.

    A count that can't be had (the cloud is busy) leaves a gap; it is never guessed.
    """

    def __init__(self, count: Callable[[], dict[str, int]]) -> None:
        self._count = count
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self.counts: list[tuple[float, dict[str, int]]] = []
        self.marks: list[Mark] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stopped.set()
        self._thread.join(timeout=5)

    def mark(self, says: str) -> None:
        """Notes that something happens now."""
        self.marks.append(Mark(time.time(), says))

    def _run(self) -> None:
        while not self._stopped.wait(1.0):
            try:
                self.counts.append((time.time(), self._count()))
            except (OSError, RuntimeError, ValueError):
                continue


def seconds(samples: list[Sample], counts: list[tuple[float, dict[str, int]]], begun: float, ended: float) -> list[Second]:
    """Samples and machine counts as one row a second over [begun, ended)."""
    length = max(1, int(ended - begun))
    buckets: list[list[Sample]] = [[] for _turn in range(length)]
    for sample in samples:
        place = int(sample.at - begun)
        if 0 <= place < length:
            buckets[place].append(sample)
    rows, known, left = [], dict[str, int](), sorted(counts, key=lambda row: row[0])
    for at, bucket in enumerate(buckets):
        while left and left[0][0] < begun + at + 1:
            known = left.pop(0)[1]
        times = [sample.seconds * 1000 for sample in bucket if sample.ok]
        failed = sum(not sample.ok and not sample.deferred for sample in bucket)
        deferred = sum(sample.deferred for sample in bucket)
        rows.append(Second(at, len(bucket), failed, deferred, quantile(times, 0.5), quantile(times, 0.99), dict(known)))
    return rows
