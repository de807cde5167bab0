"""The base image of every machine: Debian's slim image by digest where a registry answers, else made with mmdebstrap."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tools import docker_engine, work

SOURCES = (
    "deb http://deb.debian.org/debian {suite} main",
    "deb http://deb.debian.org/debian {suite}-updates main",
    "deb http://security.debian.org/debian-security {suite}-security main",
)


def ensure() -> str:
    """Make sure that the base image of these pins is there, and say where it came from."""
    pins = work.pins()["base"]
    key = work.digest(pins, SOURCES)[:12]
    found = work.attempt(["docker", "image", "inspect", "--format", '{{index .Config.Labels "twine.base"}}', pins["image"]])
    if found.returncode == 0 and found.stdout.strip() == key:
        return f"{pins['image']} is there"
    pulled = work.attempt(["docker", "pull", "--quiet", pins["registry_image"]], timeout=600)
    if pulled.returncode == 0:
        _from_registry(pins["image"], key, pins["registry_image"], pins["suite"], pins["packages"])
        return f"{pins['image']} from {pins['registry_image'].split('@')[0]}"
    _from_archive(pins["image"], key, pins["suite"], pins["packages"])
    return f"{pins['image']} by mmdebstrap (no registry answered)"


def _from_registry(image: str, key: str, source: str, suite: str, packages: list[str]) -> None:
    lines = "\\n".join(line.format(suite=suite) for line in SOURCES)
    dockerfile = f"""FROM {source}
LABEL twine.base={key}
RUN rm -f /etc/apt/sources.list.d/* && printf '{lines}\\n' > /etc/apt/sources.list \\
 && apt-get update && apt-get install -y --no-install-recommends {" ".join(packages)} && apt-get clean
"""
    command: work.Words = ["docker", "build", "--quiet", "--tag", image, "-"]
    work.run("build the base image", command, log="base", stdin=dockerfile, remedy="Check that containers reach Debian's archive.")


def _from_archive(image: str, key: str, suite: str, packages: list[str]) -> None:
    if not shutil.which("mmdebstrap"):
        if os.geteuid() or not Path("/etc/debian_version").exists():
            raise work.Failed(
                "Failed to make the base image: no registry answers and mmdebstrap is missing. "
                "Install mmdebstrap, or run `make setup` as root on Debian or Ubuntu."
            )
        docker_engine.apt_install("base", ["mmdebstrap"])
    archive = work.STATE / f"base-{os.getpid()}.tar"
    archive.parent.mkdir(parents=True, exist_ok=True)
    remedy = "Check that this machine reaches Debian's archive."
    include = f"--include={','.join(packages)}"
    # mmdebstrap empties the package lists; machines that install from them (`cache_valid_time`) would take the empty folder for fresh.
    lists = "--customize-hook=rm -f $1/etc/resolv.conf $1/etc/hostname"
    keep = "--skip=cleanup/apt/lists"
    sources = "\n".join(line.format(suite=suite) for line in SOURCES) + "\n"
    try:
        command: work.Words = ["mmdebstrap", "--variant=minbase", include, lists, keep, suite, archive, "-"]
        work.run("make the base image", command, log="base", remedy=remedy, stdin=sources)
        command = ["docker", "import", "--change", f"LABEL twine.base={key}", archive, image]
        work.run("import the base image", command, log="base", remedy="Check `docker info`.")
    finally:
        archive.unlink(missing_ok=True)
