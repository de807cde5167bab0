"""A Docker daemon that answers: the one that runs, or on Debian and Ubuntu, as root, one that is installed and started."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

from tools import work

WAIT = 60.0
SYSTEMD = Path("/run/systemd/system")
DEBIAN = Path("/etc/debian_version")
REMEDY = "Start Docker, or run `make setup` as root on Debian or Ubuntu, which installs and starts it."


def server_version() -> str:
    """Return the version of the daemon that answers, or an empty string. The client alone proves nothing."""
    answer = work.attempt(["docker", "version", "--format", "{{.Server.Version}}"], timeout=20)
    return answer.stdout.strip() if answer.returncode == 0 else ""


def ensure() -> str:
    """Make sure that a daemon answers, and say which one."""
    if version := server_version():
        return f"{version} runs"
    reason = work.attempt(["docker", "version", "--format", "{{.Server.Version}}"], timeout=20).stderr.strip().splitlines()
    if "permission denied" in " ".join(reason).lower():
        raise work.Failed("Failed to reach Docker: its socket is not open to this user. Add the user to the group `docker` and log in again.")
    if os.geteuid() or not DEBIAN.exists():
        raise work.Failed(f"Failed to reach Docker: {reason[-1] if reason else 'no answer'}. {REMEDY}")
    if not shutil.which("dockerd"):
        apt_install("docker", ["docker.io"])
    _start()
    return f"{server_version()} started"


def own_daemon() -> int:
    """Return the process id of the daemon that an earlier set-up of this checkout started and that still runs, or 0."""
    try:
        pid = int((work.STATE / "dockerd.pid").read_text())
        return pid if Path(f"/proc/{pid}/comm").read_text().strip() == "dockerd" else 0
    except (OSError, ValueError):
        return 0


def apt_install(part: str, packages: list[str]) -> None:
    """Install Debian packages as root, without questions and without what they merely recommend."""
    env = {"DEBIAN_FRONTEND": "noninteractive"}
    remedy = f"Install {' '.join(packages)} by hand and run `make setup` again."
    work.run("read Debian's package lists", ["apt-get", "update", "-q"], log=part, remedy=remedy, env=env)
    command = ["apt-get", "install", "-q", "-y", "--no-install-recommends", *packages]
    work.run(f"install {' '.join(packages)}", command, log=part, remedy=remedy, env=env)


def _start() -> None:
    if SYSTEMD.is_dir():
        work.run("start Docker", ["systemctl", "start", "docker"], log="docker", remedy="Read `journalctl -u docker`.")
    else:
        work.LOGS.mkdir(parents=True, exist_ok=True)
        with (work.LOGS / "dockerd.log").open("a") as log:
            daemon = subprocess.Popen(["dockerd"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        (work.STATE / "dockerd.pid").write_text(f"{daemon.pid}\n")
    deadline = time.monotonic() + WAIT
    while not server_version():
        if time.monotonic() > deadline:
            raise work.Failed(f"Failed to start Docker: no answer in {WAIT:.0f} s. Read build/tools/logs/dockerd.log. {REMEDY}")
        time.sleep(0.25)
