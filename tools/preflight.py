"""What must be true before anything is started: memory, disk, free ports, and the few programs that nothing else brings."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

from tools import checkout, work

MEMORY = 7.0
DISK = 15.0
DISK_PREPARED = 5.0
# A systemd takes six instances of inotify; the estate runs a dozen of them, Molecule another nine.
INOTIFY = 256
INOTIFY_SETTING = Path("/proc/sys/fs/inotify/max_user_instances")


def ensure() -> str:
    """Check this machine, and say what it has."""
    problems = [found for found in (_programs(), _memory(), _disk(), _ports(), _inotify()) if found]
    if problems:
        raise work.Failed(" ".join(problems))
    return f"{os.cpu_count()} cores, {memory():.0f} GiB memory, {free_disk():.0f} GiB disk, ports {checkout.ports()['cloud']}+ free"


def memory() -> float:
    """Return the machine's memory in GiB."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def free_disk(folder: Path = checkout.ROOT) -> float:
    """Return the free disk space under the checkout in GiB."""
    return shutil.disk_usage(folder).free / 2**30


def _programs() -> str:
    missing = [name for name in ("git", "make") if not shutil.which(name)]
    return f"Failed to find {' and '.join(missing)}: not on PATH. Install {' '.join(missing)}." if missing else ""


def _memory() -> str:
    if memory() >= MEMORY:
        return ""
    return f"Failed to find enough memory: {memory():.1f} GiB, the four accounts take {MEMORY:.0f}. Use a larger machine."


def _disk() -> str:
    needed = DISK_PREPARED if (work.STATE / "packer.stamp").exists() else DISK
    if free_disk() >= needed:
        return ""
    return f"Failed to find enough disk: {free_disk():.1f} GiB are free under {checkout.ROOT}, it takes {needed:.0f}. Make room."


def _inotify() -> str:
    """Watches for every systemd: root sets them (until the next boot), anyone else is told how."""
    if not INOTIFY_SETTING.exists() or int(INOTIFY_SETTING.read_text()) >= INOTIFY:
        return ""
    try:
        INOTIFY_SETTING.write_text(f"{4 * INOTIFY}\n")
    except OSError:
        return (
            f"Failed to run a dozen machines: fs.inotify.max_user_instances is {INOTIFY_SETTING.read_text().strip()}, they take {INOTIFY}. "
            f"Run `sysctl -w fs.inotify.max_user_instances={4 * INOTIFY}` as root."
        )
    return ""


def _ports() -> str:
    ports = checkout.ports()
    wanted = [ports["cloud"], *range(ports["load_balancers"], ports["load_balancers"] + 4), ports["repository"]]
    taken = [port for port in wanted if not _free(port)]
    if not taken:
        return ""
    ours = work.attempt(["docker", "ps", "--filter", f"label={checkout.label()}", "--format", "{{.Ports}}"]).stdout
    foreign = [str(port) for port in taken if f":{port}->" not in ours]
    if not foreign:
        return ""
    return (
        f"Failed to get port {', '.join(foreign)} on 127.0.0.1: another program listens there. "
        "Stop it, or move the checkout to another folder (the ports follow its path)."
    )


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
