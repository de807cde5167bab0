"""Running commands, reading pins, and remembering what was done: the ground under each part of the set-up."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import subprocess
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tools import checkout

STATE = checkout.BUILD / "tools"
LOGS = STATE / "logs"
Words = list[str | Path]


class Failed(Exception):
    """One sentence: what failed, why, and what to do."""


def attempt(command: Sequence[str | Path], *, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """Run a short question; a command that is missing or hangs is an answer, too (return codes 127 and 124)."""
    words = [str(word) for word in command]
    try:
        return subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, check=False)
    except OSError as error:
        return subprocess.CompletedProcess(words, 127, "", str(error))
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(words, 124, "", f"no answer in {timeout:.0f} s")


def run(
    what: str,
    command: Sequence[str | Path],
    *,
    log: str,
    remedy: str,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
) -> None:
    """Run one step with its output in build/tools/logs/<log>.log; on failure say what, why (the last line) and the remedy."""
    LOGS.mkdir(parents=True, exist_ok=True)
    path = LOGS / f"{log}.log"
    words = [str(word) for word in command]
    with path.open("a") as output:
        print("$", *words, file=output, flush=True)
        try:
            done = subprocess.run(
                words,
                cwd=cwd,
                env={**os.environ, **(env or {})},
                input=stdin or "",
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
        except OSError as error:
            raise Failed(f"Failed to {what}: {error.strerror or error} ({words[0]}). {remedy}") from error
    if done.returncode:
        lines = [line.strip() for line in path.read_text(errors="replace").splitlines() if line.strip()]
        raise Failed(f"Failed to {what}: {lines[-1][:300]} (all of it in {path.relative_to(checkout.ROOT)}). {remedy}")


@functools.cache
def pins() -> dict[str, Any]:
    """Return tools/versions.toml."""
    with (Path(__file__).parent / "versions.toml").open("rb") as file:
        return tomllib.load(file)


def digest(*values: object) -> str:
    """Return a SHA-256 over values, each a file's content (Path) or anything JSON can say."""
    sha = hashlib.sha256()
    for value in values:
        content = value.read_bytes() if isinstance(value, Path) else json.dumps(value, sort_keys=True).encode()
        sha.update(hashlib.sha256(content).digest())
    return sha.hexdigest()


def footprint(path: Path) -> Sequence[object]:
    """Return what changes when an output is replaced, cut short or removed: a folder's names, or a file's size and time."""
    try:
        if path.is_dir():
            return sorted(entry.name for entry in path.iterdir() if entry.name != "__pycache__")
        found = path.stat()
    except OSError:
        return []
    return [found.st_size, found.st_mtime_ns]


class Stamp:
    """Remembers that a part was made from exactly these pins, and what the result looked like."""

    def __init__(self, part: str, key: str, outputs: Sequence[Path]) -> None:
        self.path = STATE / f"{part}.stamp"
        self.key = key
        self.outputs = outputs

    def _now(self) -> dict[str, object]:
        return {"key": self.key, "outputs": {str(path): footprint(path) for path in self.outputs}}

    def fresh(self) -> bool:
        """Say whether the part still stands as it was made, from the same pins."""
        try:
            kept = json.loads(self.path.read_text())
        except (OSError, ValueError):
            return False
        return bool(kept == self._now()) and all(footprint(path) for path in self.outputs)

    def write(self) -> None:
        """Remember the part as it is now."""
        replace_text(self.path, json.dumps(self._now(), indent=1) + "\n")


def replace_text(path: Path, content: str) -> None:
    """Write a file as one step, so that a killed run leaves the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(content)
    draft.replace(path)


def version_of(command: Sequence[str | Path]) -> tuple[int, ...]:
    """Return the first dotted number that a program prints about itself, or an empty tuple if it does not run."""
    answer = attempt(command, timeout=20)
    if answer.returncode:
        return ()
    for word in answer.stdout.replace("(", " ").split():
        parts = word.removeprefix("go").lstrip("v").split("-")[0].split(".")
        if len(parts) > 1 and all(part.isdigit() for part in parts):
            return tuple(int(part) for part in parts)
    return ()


def as_version(text: str) -> tuple[int, ...]:
    """Return 1.11.2 as (1, 11, 2)."""
    return tuple(int(part) for part in text.split("."))
