"""Runs Packer so that nothing of a bake stays, however it ends: by itself, by a signal, or killed and found by the next run."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

STOPPING = (signal.SIGINT, signal.SIGTERM)
# Packer removes its container and ends within a second or two.
_PATIENCE_SECONDS = 30.0
_ASK_SECONDS = 0.2
# Packer in a session of its own, for what ends this process must not end Packer's helpers before they have cleaned up; straight into the
# log, so that a bake can be followed.
_START = """
import os, sys
os.setsid()
log = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
os.dup2(log, 1)
os.dup2(log, 2)
os.execvp(sys.argv[2], sys.argv[2:])
"""


class StoppedError(Exception):
    """The bake was told to end."""


@dataclass
class Builds:
    """Every Packer of this process, so that a signal ends all of them in an orderly way."""

    stopped: str = ""
    _running: set[int] = field(default_factory=set)
    _guard: threading.RLock = field(default_factory=threading.RLock)

    @contextmanager
    def stoppable(self) -> Iterator[None]:
        """While it lasts, SIGINT and SIGTERM make every Packer clean up and end, instead of ending this process."""
        before = {number: signal.signal(number, self._stop) for number in STOPPING}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def run(self, start: Callable[..., tuple[int, str, str]], command: list[str], log: Path, lock: int) -> int:
        """Runs ``command`` with its output in ``log``; its exit code. The lock is held until the last of its processes has ended.

        :raises StoppedError: if it was told to end.
        """
        own: list[int] = []

        def note(process: Any) -> None:
            own.append(process.pid)
            with self._guard:
                self._running.add(process.pid)
                stopped = self.stopped
            if stopped:
                _signal(process.pid, signal.SIGINT)

        self.check()
        try:
            code = start([sys.executable, "-c", _START, str(log), *command], pass_fds=[lock], before_communicate_callback=note)[0]
        finally:
            with self._guard:
                self._running.difference_update(own)
        self.check()
        return code

    def check(self) -> None:
        """Refuse to go on after a signal.

        :raises StoppedError: if there was one.
        """
        if self.stopped:
            raise StoppedError(self.stopped)

    def _stop(self, number: int, _frame: object) -> None:
        with self._guard:
            self.stopped = signal.Signals(number).name
            running = list(self._running)
        for process in running:
            # What a terminal sends at Ctrl-C: to Packer and all that it started.
            _signal(process, signal.SIGINT)
        timer = threading.Timer(_PATIENCE_SECONDS, self._kill)
        timer.daemon = True
        timer.start()

    def _kill(self) -> None:
        with self._guard:
            for process in self._running:
                _signal(process, signal.SIGKILL)


def _signal(process: int, number: int) -> None:
    try:
        os.killpg(process, number)
    except ProcessLookupError:
        # It has not come to its own session yet, or has ended.
        with suppress(ProcessLookupError):
            os.kill(process, number)


@contextmanager
def alone(path: Path, waiting: Callable[[], None]) -> Iterator[IO[str]]:
    """Holds the lock on ``path``; who comes second waits, and calls ``waiting`` once before and then every time it asks.

    The kernel frees it when the last process that has it open is gone: the holder, and the Packer that it started.
    """
    with path.open("a+") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                waiting()
                time.sleep(_ASK_SECONDS)
        yield file


def scratch(name: str) -> Path:
    """Where a bake's passing files lie: always the same folder, so that the next one finds what a killed one left. The path is short,
    because Packer's plug-ins make sockets there."""
    return Path(tempfile.gettempdir()) / name


@contextmanager
def fresh(folder: Path) -> Iterator[None]:
    """Have ``folder`` empty, for oneself alone, and gone afterwards.

    :raises OSError: if somebody else has one of that name.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)
