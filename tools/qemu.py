"""QEMU's programs: those on PATH, or on Debian and Ubuntu, as root, those that are installed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tools import docker_engine, work

DEBIAN = Path("/etc/debian_version")
PACKAGES = {"qemu-system-x86_64": "qemu-system-x86", "qemu-img": "qemu-utils"}


def missing() -> list[str]:
    """Return the programs that are not on PATH."""
    return [program for program in PACKAGES if not shutil.which(program)]


def virtualizes(device: Path = Path("/dev/kvm"), processor: Path = Path("/proc/cpuinfo")) -> bool:
    """Say whether virtual machines run on the processor itself. The device alone proves nothing: inside another hypervisor it may start none."""
    try:
        flags = set(processor.read_text().split())
    except OSError:
        return False
    return os.access(device, os.R_OK | os.W_OK) and not flags.isdisjoint({"vmx", "svm"})


def offer() -> str:
    """Install the programs where that may be done, and say what is there; only a box, and its test, cannot do without."""
    try:
        ensure()
    except work.Failed as error:
        return str(error).replace("Failed to", "make box will fail to", 1)
    return ".".join(map(str, work.version_of(["qemu-img", "--version"])[:3])) + " is there"


def ensure() -> None:
    """Make sure that the programs are there.

    :raises Failed: where they are missing and cannot be installed.
    """
    lacking = missing()
    if not lacking:
        return
    packages = [PACKAGES[program] for program in lacking]
    if os.geteuid() or not DEBIAN.exists():
        raise work.Failed(
            f"Failed to make or boot a box: {' and '.join(lacking)} not on PATH. "
            f"Install QEMU (Debian and Ubuntu: apt install {' '.join(packages)}; macOS: brew install qemu)."
        )
    docker_engine.apt_install("qemu", packages)
