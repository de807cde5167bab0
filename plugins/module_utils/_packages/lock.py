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

    waited: float = 0.0
    for_whom: str = ""

    def as_data(self) -> dict[str, float | str]:
        """The turn as modules return it."""
        return {"waited": self.waited, "waited_for": self.for_whom}


@contextmanager
def writer(path: Path, purpose: str, seconds: float, who: str = "") -> Iterator[Turn]:
    """Hold the lock on `path` for the time of the block; wait up to `seconds` for others, who came first and go first.

    Others are told `purpose` and `who`. The kernel gives lock and place back when their holder dies, however it dies.
    """
    with _place(path) as place, path.open("a+", encoding="utf-8") as file:
        began = time.monotonic()
        holder = ""
        while _before(place) or not _taken(file.fileno()):
            holder = path.read_text(encoding="utf-8").strip() or holder or "another writer"
            if time.monotonic() - began > seconds:
                raise PackageError(
                    f"get a turn to {purpose}",
                    f"after {seconds:.0f} s {holder} has {path}, and {_before(place)} others come first",
                    "Let it end, or end it, and run this again",
                )
            time.sleep(_LOOK_AGAIN)
        _sign(file.fileno(), f"process {os.getpid()} ({purpose}){f' of {who}' if who else ''}\n")
        yield Turn(round(time.monotonic() - began, 1), holder)


@contextmanager
def _place(path: Path) -> Iterator[Path | None]:
    """A place in the queue: a locked file whose name sorts by the time it came. On a full disk there is none, and turns are had by chance."""
    folder = path.with_name(f"{path.name}.queue")
    place = folder / f"{time.time_ns():020d}-{os.getpid()}"
    file = None
    with suppress(OSError):
        folder.mkdir(exist_ok=True)
        file = place.open("w")
    try:
        if file:
            fcntl.flock(file, fcntl.LOCK_EX)
        yield place if file else None
    finally:
        if file:
            place.unlink(missing_ok=True)
            file.close()


def _before(place: Path | None) -> int:
    """How many living writers came before; the places of dead ones are taken away."""
    earlier = sorted(other for other in place.parent.iterdir() if other.name < place.name) if place else []
    return sum(not _is_dead(other) for other in earlier)


def _is_dead(place: Path) -> bool:
    try:
        with place.open() as file:
            if not _taken(file.fileno()):
                return False
            place.unlink(missing_ok=True)
    except FileNotFoundError:
        pass
    return True


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
