"""One writer at a time: a queue on one file, which says who holds it."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from .errors import PackageError

_LOOK_AGAIN = 0.1


@dataclass(frozen=True)
class Turn:
    """How a writer came to its turn: seconds waited, and for whom (empty: at once)."""

    waited: float
    for_whom: str


@contextmanager
def writer(path: Path, purpose: str, seconds: float) -> Iterator[Turn]:
    """Hold the lock on `path` for the time of the block; wait up to `seconds` for another writer.

    The kernel gives the lock back when its holder dies, however it dies.
    """
    with path.open("a+", encoding="utf-8") as file:
        began = time.monotonic()
        holder = ""
        while not _taken(file.fileno()):
            holder = path.read_text(encoding="utf-8").strip() or holder or "another writer"
            if time.monotonic() - began > seconds:
                raise PackageError(
                    f"get a turn to {purpose}",
                    f"{holder} has held {path} for longer than {seconds:.0f} s",
                    "Let it end, or end it, and run this again",
                )
            time.sleep(_LOOK_AGAIN)
        _sign(file.fileno(), f"process {os.getpid()} ({purpose})\n")
        yield Turn(round(time.monotonic() - began, 1), holder)


def _sign(descriptor: int, text: str) -> None:
    """Say who has the turn. It is only a help: on a full disk the turn is had without it."""
    with suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.write(descriptor, text.encode())


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
