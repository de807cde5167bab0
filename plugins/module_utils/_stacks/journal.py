"""What this machine remembers of an estate: who is at work, what was begun, and how long each stack took.

What *is* always comes from CloudFormation; losing these files costs an estimate, never the truth.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from .._aws.errors import Failure, sentence


class Journal:
    """One estate's folder: ``lock``, ``journal.jsonl`` and ``durations.json``."""

    def __init__(self, folder: Path, now: Callable[[], float] = time.time) -> None:
        self.folder = folder
        self._now = now
        self._guard = threading.Lock()
        self._file: IO[str] | None = None
        self._durations: dict[str, float] = self._read_durations()

    def _read_durations(self) -> dict[str, float]:
        try:
            raw = json.loads((self.folder / "durations.json").read_text(encoding="utf-8"))
            return {str(key): float(value) for key, value in raw.items()}
        except (OSError, ValueError, AttributeError, TypeError):
            return {}

    def seconds(self, key: str, kind: str) -> float | None:
        """How long ``kind`` (create or update) of a stack took the last time."""
        return self._durations.get(f"{key} {kind}")

    def unfinished(self) -> list[dict[str, Any]]:
        """The last record of each stack that an earlier run began and did not end."""
        last: dict[str, dict[str, Any]] = {}
        try:
            lines = (self.folder / "journal.jsonl").read_text(encoding="utf-8").splitlines()
        except OSError:
            return []
        for line in lines:
            try:
                record = json.loads(line)
            except ValueError:  # the line that was being written when the run was killed
                continue
            if record.get("step") == "end":
                last.clear()
            elif "stack" in record:
                last[record["stack"]] = record
        return [record for record in last.values() if record["step"] not in ("done", "failed")]

    def begin(self) -> None:
        """Start this run's record; the earlier one is dropped."""
        self._make_folder()
        self._file = (self.folder / "journal.jsonl").open("w", encoding="utf-8")

    def note(self, step: str, stack: str = "", **facts: Any) -> None:
        """Append one record, on disk before this returns. Without :meth:`begin` nothing is kept."""
        if self._file is None:
            return
        record = {"time": self._now(), "step": step, **({"stack": stack} if stack else {}), **facts}
        with self._guard:
            self._file.write(json.dumps(record) + "\n")
            self._file.flush()
            os.fsync(self._file.fileno())

    def took(self, key: str, kind: str, seconds: float) -> None:
        """Remember a duration."""
        with self._guard:
            self._durations[f"{key} {kind}"] = round(seconds, 2)
            self._make_folder()
            fresh = self.folder / "durations.json.new"
            fresh.write_text(json.dumps(self._durations, indent=1, sort_keys=True), encoding="utf-8")
            fresh.replace(self.folder / "durations.json")

    def end(self) -> None:
        """This run ended by itself."""
        self.note("end")
        if self._file is not None:
            self._file.close()
            self._file = None

    def _make_folder(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Failure(sentence("keep the journal in", str(self.folder), str(error), "Set 'state_dir' to a folder you may write")) from error


class Lock:
    """One deploy of an estate at a time on this machine. The kernel frees it when the process ends, however it ends."""

    def __init__(self, folder: Path, wait: float, tell: Callable[[str], None], pause: Callable[[float], object]) -> None:
        self._path = folder / "lock"
        self._wait = wait
        self._tell = tell
        self._pause = pause
        self._file: IO[str] | None = None

    def __enter__(self) -> Self:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("a+", encoding="utf-8")
        except OSError as error:
            raise Failure(sentence("lock the estate with", str(self._path), str(error), "Set 'state_dir' to a folder you may write")) from error
        waited = 0.0
        while not self._try(self._file):
            holder = self._holder()
            if waited >= self._wait:
                raise Failure(sentence("lock the estate with", str(self._path), f"{holder} is deploying it", "Wait for it to end"))
            if not waited:
                self._tell(f"waiting: {holder} is deploying this estate (at most {self._wait:.0f} s)")
            step = min(1.0, self._wait - waited)
            self._pause(step)
            waited += step
        self._file.truncate(0)
        self._file.write(f"process {os.getpid()} on {socket.gethostname()}")
        self._file.flush()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._file is not None:
            self._file.truncate(0)
            self._file.close()

    def _try(self, file: IO[str]) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _holder(self) -> str:
        try:
            return self._path.read_text(encoding="utf-8") or "another process"
        except OSError:
            return "another process"
