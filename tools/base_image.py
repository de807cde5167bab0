"""The base image of every machine: Debian's slim image by digest where a registry answers, else made with mmdebstrap."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from tools import docker_engine, work


def ensure() -> str:
    """Make sure that the base image of these pins is there, and say where it came from."""
    pins = work.pins()["base"]
    key = work.digest(pins)[:12]
    if _label(pins["image"]) == key:
        return f"{pins['image']} is there"
    if _make(pins["image"], key, pins):
        return f"{pins['image']} from {pins['registry_image'].split('@')[0]}"
    return f"{pins['image']} by mmdebstrap (no registry answered)"


def second() -> str:
    """Make sure that there is a second base image, made by a run of its own, of the very package versions of the first; return its name.

    What is made of the one and of the other is then made independently. A first one that the archive has moved on from is made anew.
    """
    ensure()
    pins = work.pins()["base"]
    first, image = pins["image"], pins["image"].replace(":", "-second:")
    key = work.digest(pins)[:12]
    for _attempt in range(2):
        beside = f"{key} beside {identity(first)}"
        if _label(image) == beside:
            return str(image)
        _make(image, beside, pins)
        if _versions(image) == _versions(first):
            return str(image)
        _make(first, key, pins)
    raise work.Failed(f"Failed to make a base image equal to {first}: the archive moves between the two. Try again.")


def identity(image: str) -> str:
    """Return the image's id, 64 hexadecimal digits; empty if it is not there."""
    return work.attempt(["docker", "image", "inspect", "--format", "{{.Id}}", image]).stdout.strip().removeprefix("sha256:")


def _label(image: str) -> str:
    return work.attempt(["docker", "image", "inspect", "--format", '{{index .Config.Labels "twine.base"}}', image]).stdout.strip()


def _versions(image: str) -> set[str]:
    return set(work.attempt(["docker", "run", "--rm", "--network", "none", image, "dpkg-query", "-W"]).stdout.splitlines())


def _make(image: str, key: str, pins: dict[str, Any]) -> bool:
    """Make it anew, whatever is there; return whether a registry answered."""
    answered = work.attempt(["docker", "pull", "--quiet", pins["registry_image"]], timeout=600).returncode == 0
    if answered:
        _from_registry(image, key, pins["registry_image"], pins["packages"])
    else:
        _from_archive(image, key, pins["suite"], pins["packages"])
    return answered


def _from_registry(image: str, key: str, source: str, packages: list[str]) -> None:
    dockerfile = f"""FROM {source}
LABEL twine.base="{key}"
RUN apt-get update && apt-get install -y --no-install-recommends {" ".join(packages)} && apt-get clean
"""
    command: work.Words = ["docker", "build", "--force-rm", "--quiet", "--no-cache", "--tag", image, "-"]
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
    try:
        # Told no mirror, it takes the distribution's own, the suite's updates and security fixes among them, and leaves them as apt's sources.
        command: work.Words = ["mmdebstrap", "--variant=minbase", include, lists, keep, suite, archive]
        work.run("make the base image", command, log="base", remedy=remedy)
        command = ["docker", "import", "--change", f'LABEL twine.base="{key}"', archive, image]
        work.run("import the base image", command, log="base", remedy="Check `docker info`.")
    finally:
        archive.unlink(missing_ok=True)
