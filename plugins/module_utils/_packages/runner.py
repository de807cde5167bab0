"""The only place of this package that starts a process."""

from __future__ import annotations

import shlex
import shutil
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from .errors import PackageError


@dataclass(frozen=True)
class Result:
    """What a process said: its exit code, standard output and standard error as text."""

    code: int
    out: str
    err: str

    def tail(self, lines: int = 12) -> str:
        """The last lines of what it said; errors come last, whatever stream they took."""
        said = [*self.out.strip().splitlines(), *self.err.strip().splitlines()]
        return "\n".join(said[-lines:])


class Runner(Protocol):
    """Starts a process and waits for it. Tests give another one where the real tool is not the matter."""

    def __call__(
        self,
        args: Sequence[str],
        *,
        data: bytes | None = None,
        source: Path | None = None,
        sink: Path | None = None,
        log: Path | None = None,
        environment: Mapping[str, str] | None = None,
        seconds: float = 600,
    ) -> Result: ...


@dataclass(frozen=True)
class ModuleRunner:
    """Starts processes by the `run_command` of an Ansible module."""

    run_command: Callable[..., tuple[int, bytes, bytes]]

    def __call__(
        self,
        args: Sequence[str],
        *,
        data: bytes | None = None,
        source: Path | None = None,
        sink: Path | None = None,
        log: Path | None = None,
        environment: Mapping[str, str] | None = None,
        seconds: float = 600,
    ) -> Result:
        """Run `args` and return what came of it; only a process that cannot be started or ends too late is an error.

        Standard input is `data` or the file `source`; standard output goes to the file `sink`, standard error to the file
        `log`, or else both into the result. `environment` replaces the whole environment.
        """
        if shutil.which(args[0]) is None:
            raise PackageError(f"run {args[0]}", "it is not on PATH", f"Install {args[0]}, or add its folder to PATH.")
        clean = [] if environment is None else ["env", "-i", *[f"{name}={value}" for name, value in environment.items()]]
        clock = _Clock(seconds)
        # Data goes in by a file: a process that ends before it has read all of a pipe would break run_command.
        with tempfile.NamedTemporaryFile() as given:
            Path(given.name).write_bytes(data or b"")
            code, out, err = self.run_command(
                [*_redirected(source or Path(given.name), sink, log), *clean, *args],
                encoding=None,
                expand_user_and_vars=False,
                handle_exceptions=False,
                before_communicate_callback=clock.start,
            )
        if clock.stop():
            raise PackageError(f"run {args[0]}", f"it did not end within {seconds:.0f} s", "See whether the machine is overloaded.")
        return Result(code, _decode(out), log.read_text(errors="replace") if log else _decode(err))


class _Clock:
    """Kills a process that takes too long; `run_command` itself would wait for ever."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._rang = threading.Event()
        self._timer: threading.Timer | None = None

    def start(self, process: Any) -> None:
        """Let the time of `process` begin."""
        self._timer = threading.Timer(self._seconds, self._ring, [process])
        self._timer.daemon = True
        self._timer.start()

    def stop(self) -> bool:
        """Whether the time was up."""
        if self._timer:
            self._timer.cancel()
        return self._rang.is_set()

    def _ring(self, process: Any) -> None:
        self._rang.set()
        process.kill()


def _redirected(source: Path, sink: Path | None, log: Path | None) -> list[str]:
    """What goes before a command so that the shell connects it with files: `run_command` would hold gigabytes in memory."""
    places = {"<": source, ">": sink, "2>": log}
    return ["sh", "-c", " ".join(['exec "$@"', *[sign + shlex.quote(str(path)) for sign, path in places.items() if path]]), "sh"]


def _decode(data: bytes) -> str:
    return data.decode(errors="replace")
