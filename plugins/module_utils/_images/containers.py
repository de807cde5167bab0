"""The file system and the open ports of an image that Docker holds. A container is made for it and goes away, however that ends."""

from __future__ import annotations

import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from .manifest import ManifestError, listening
from .root import Root, read

# What systemd needs as first process, short of --privileged; the kernel's settings below /proc stay read-only.
SYSTEMD = (
    *("--cap-add", "SYS_ADMIN", "--cap-add", "NET_ADMIN", "--cap-add", "SYS_PTRACE"),
    *("--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined"),
    *("--cgroupns", "host", "--volume", "/sys/fs/cgroup:/sys/fs/cgroup:rw", "--tmpfs", "/run", "--tmpfs", "/run/lock"),
)
SOCKETS = ("ss", "-H", "-l", "-n", "-t", "-u", "-p")
# Without a network nobody tells a machine its configuration: it gives up at once, and not after the two minutes of a real one. systemd
# takes such words from the command line of a container: https://www.freedesktop.org/software/systemd/man/252/systemd.html#Kernel%20Command%20Line
IMPATIENT = "systemd.setenv=MACHINE_PATIENCE=1"
_BOOT_SECONDS = 90
_SETTLED_SECONDS = 1.0
Run = Callable[[list[str]], tuple[int, str, str]]


@contextmanager
def orderly() -> Iterator[None]:
    """While it lasts, SIGTERM ends this process as an interrupt does, so that containers go away."""

    def end(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def root_of(run: Run, image: str, labels: Mapping[str, str]) -> Root:
    """The file system of ``image``, of which nothing is started.

    :raises ManifestError: if Docker does not give it; RootError: if it is no Debian.
    """
    command = ["docker", "create", *_labels(labels), image, "/nothing"]
    with _container(run, command, image) as name, tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "root.tar"
        _must(run, ["docker", "export", "--output", str(archive), name], f"export image {image}")
        return read(archive)


def ports_of(run: Run, image: str, labels: Mapping[str, str]) -> list[str]:
    """What a machine of ``image`` listens on once it has booted, without a network and before it knows its environment.

    :raises ManifestError: if it does not boot.
    """
    command = ["docker", "run", "--detach", "--network", "none", *SYSTEMD, *_labels(labels), "--entrypoint", "/sbin/init", image, IMPATIENT]
    with _container(run, command, image) as name:
        wait_for_boot(run, name)
        before, now = None, _ports(run, name)
        # A unit of type simple counts as started before it listens.
        while before != now:
            time.sleep(_SETTLED_SECONDS)
            before, now = now, _ports(run, name)
        return now


def _ports(run: Run, container: str) -> list[str]:
    return listening(_must(run, ["docker", "exec", container, *SOCKETS], f"ask {container} for its ports"))


def wait_for_boot(run: Run, container: str) -> None:
    """Waits until systemd has started all it will start; a unit that failed is no matter here."""
    ends = time.monotonic() + _BOOT_SECONDS
    while time.monotonic() < ends:
        _code, out, err = run(["docker", "exec", container, "systemctl", "is-system-running", "--wait"])
        if out.strip() in ("running", "degraded"):
            return
        if "is not running" in err or "No such container" in err:
            break
        time.sleep(0.2)
    _code, logs, _err = run(["docker", "logs", "--tail", "5", container])
    said = logs.strip() or "nothing"
    raise ManifestError(f"Failed to boot {container}: systemd is not up, {_BOOT_SECONDS} s at most. It said: {said}. Start it by hand.")


@contextmanager
def _container(run: Run, command: list[str], image: str) -> Iterator[str]:
    name = _must(run, command, f"make a container of image {image}").strip()
    try:
        yield name
    finally:
        run(["docker", "rm", "--force", "--volumes", name])


def _labels(labels: Mapping[str, str]) -> list[str]:
    return [word for key, value in labels.items() for word in ("--label", f"{key}={value}")]


def _must(run: Run, command: list[str], what: str) -> str:
    code, out, err = run(command)
    if code:
        raise ManifestError(f"Failed to {what}: {(err or out).strip()}. See that Docker runs and has the image; make bake makes it.")
    return out
