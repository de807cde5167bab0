"""The only place of this package that starts a process."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

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
        text: str | None = None,
        source: Path | None = None,
        sink: Path | None = None,
        log: Path | None = None,
        environment: Mapping[str, str] | None = None,
        seconds: float = 600,
    ) -> Result: ...


def run(
    args: Sequence[str],
    *,
    text: str | None = None,
    source: Path | None = None,
    sink: Path | None = None,
    log: Path | None = None,
    environment: Mapping[str, str] | None = None,
    seconds: float = 600,
) -> Result:
    """Run `args` and return what came of it; only a process that cannot be started or ends too late is an error.

    Standard input is `text` or the file `source`; standard output goes to the file `sink`, standard error to the file
    `log`, or else both into the result. `environment` replaces the whole environment.
    """
    with ExitStack() as files:
        stdin: IO[bytes] | int = files.enter_context(source.open("rb")) if source else subprocess.PIPE
        stdout: IO[bytes] | int = files.enter_context(sink.open("wb")) if sink else subprocess.PIPE
        stderr: IO[bytes] | int = files.enter_context(log.open("wb")) if log else subprocess.PIPE
        try:
            process = files.enter_context(subprocess.Popen(list(args), stdin=stdin, stdout=stdout, stderr=stderr, env=_plain(environment)))
        except FileNotFoundError:
            raise PackageError(f"run {args[0]}", "it is not on PATH", f"Install {args[0]}, or add its folder to PATH.") from None
        try:
            out, err = process.communicate(None if source else (text or "").encode(), timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise PackageError(f"run {args[0]}", f"it did not end within {seconds:.0f} s", "See whether the machine is overloaded.") from None
    return Result(process.returncode, _decode(out), log.read_text(errors="replace") if log else _decode(err))


def _plain(environment: Mapping[str, str] | None) -> dict[str, str] | None:
    return None if environment is None else dict(environment)


def _decode(data: bytes | None) -> str:
    return (data or b"").decode(errors="replace")
