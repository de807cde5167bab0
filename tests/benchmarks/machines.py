"""Machines in containers for benchmarks: started, asked, and removed however a benchmark ends."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from ansible_collections.twine.platform.plugins.module_utils._images.containers import SYSTEMD, wait_for_boot
from tools import base_image, checkout, remove, work

ROLE = "twine.role=benchmark"
NETWORK = f"{checkout.prefix()}-build"
BASE = str(work.pins()["base"]["image"])
SHELL = ("/bin/sh",)
SYSTEM = ("/sbin/init",)


class BenchmarkError(Exception):
    """A measurement could not be taken; the message says which, why, and what to do."""


def output(command: Sequence[str], what: str, stdin: bytes = b"") -> bytes:
    """What a command prints.

    :raises BenchmarkError: if it fails; the message ends with the last line that it said.
    """
    done = subprocess.run(command, input=stdin, capture_output=True, check=False)
    if done.returncode:
        lines = [line for line in (done.stdout + done.stderr).decode(errors="replace").splitlines() if line.strip()]
        raise BenchmarkError(
            f"Failed to {what}: {lines[-1] if lines else f'it ended with {done.returncode}'}. Run it by hand: {' '.join(command)[:200]}"
        )
    return done.stdout


def name_of(what: str) -> str:
    """The container's name."""
    return f"{checkout.prefix()}-bench-{what}"


def options(what: str, network: str = NETWORK) -> list[str]:
    """Docker's options for every container of ours."""
    return ["--name", name_of(what), "--network", network, "--label", checkout.label(), "--label", ROLE]


def start(what: str, image: str = BASE, *more: str) -> str:
    """Boot a machine with systemd and wait for it; return its name."""
    output(["docker", "run", "--detach", *options(what), *SYSTEMD, *more, "--entrypoint", SYSTEM[0], image], f"start {what}")
    wait_for_boot(ask, name_of(what))
    return name_of(what)


def ask(command: list[str]) -> tuple[int, str, str]:
    """Run a short question, as our modules' runners do."""
    answer = work.attempt(command, timeout=120)
    return answer.returncode, answer.stdout, answer.stderr


def sh(container: str, script: str, stdin: bytes = b"") -> bytes:
    """Run a script on a machine."""
    return output(["docker", "exec", "--interactive", container, "sh", "-euc", script], f"run a script on {container}", stdin)


def in_image(image: str, script: str) -> bytes:
    """Run a script in a container of `image` that goes away with it."""
    command = [
        "docker",
        "run",
        "--rm",
        "--network",
        "none",
        "--label",
        checkout.label(),
        "--label",
        ROLE,
        "--entrypoint",
        "sh",
        image,
        "-euc",
        script,
    ]
    return output(command, f"look into {image}")


def discard(container: str) -> None:
    """Remove a machine."""
    output(["docker", "rm", "--force", "--volumes", container], f"remove {container}")


@contextmanager
def clean() -> Iterator[None]:
    """Remove all machines of benchmarks, before and after; refuse to begin where there is nothing to install from."""
    if work.attempt(["docker", "network", "inspect", NETWORK]).returncode or not base_image.identity(BASE):
        raise BenchmarkError(f"Failed to measure: there is no network {NETWORK} with a repository. Run `make published`.")
    try:
        remove.main(["--only", ROLE, "--quiet"])
        yield
    finally:
        remove.main(["--only", ROLE, "--quiet"])


def timed(act: Callable[[], None]) -> float:
    """Seconds that an act takes."""
    began = time.monotonic()
    act()
    return time.monotonic() - began


def in_turns(times: int, *acts: Callable[[], float]) -> list[list[float]]:
    """Each act's figures of several rounds. Every second round goes backwards, so that none is always the first."""
    figures: list[list[float]] = [[] for _act in acts]
    for number in range(times):
        for place, act in list(enumerate(acts))[:: 1 if number % 2 == 0 else -1]:
            figures[place].append(act())
    return figures
