"""Differences that were seeded in a real container, one of each kind, are caught; and what a manifest says is what systemd says."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from ansible_collections.twine.platform.plugins.module_utils._images.containers import ports_of, root_of
from ansible_collections.twine.platform.plugins.module_utils._images.manifest import Build, Manifest, manifest_of, text_of
from ansible_collections.twine.platform.plugins.module_utils._images.parity import Comparison, compare
from tools import checkout, work

BASE = work.pins()["base"]["image"]
LABELS = {"twine.checkout": checkout.identity(), "twine.role": "seeded"}
SECONDS_AN_IMAGE = 20
SEEDS = r"""
set -eu
mkdir -p /tmp/extra/DEBIAN
printf 'Package: extra\nVersion: 1\nArchitecture: all\nMaintainer: nobody\nDescription: extra\n' > /tmp/extra/DEBIAN/control
dpkg-deb --build /tmp/extra /tmp/extra.deb >&2
dpkg --install /tmp/extra.deb >&2
dpkg --purge --force-depends python3-apt >&2
sed -i '/^Package: mawk$/,/^$/s/^Version: .*/Version: 9/' /var/lib/dpkg/status
echo seeded >> /etc/issue
chmod 0600 /etc/issue.net
chown games /etc/debian_version
chgrp games /etc/profile
rm /etc/host.conf
mkdir /etc/host.conf
ln -sfn /usr/bin/other /etc/alternatives/awk
python3 -c 'import os, struct
os.setxattr("/usr/bin/env", "security.capability", struct.pack("<5I", 0x02000001, 1 << 10, 0, 0, 0))'
systemctl enable debug-shell.service >&2
systemctl disable e2scrub_reap.service >&2
systemctl mask fstrim.timer >&2
useradd eve
usermod --append --groups adm games
echo 'kernel.pid_max = 1000' > /etc/sysctl.d/99-seeded.conf
mkdir /etc/systemd/system/systemd-logind.service.d
printf '[Service]\nEnvironment=SEEDED=1\n' > /etc/systemd/system/systemd-logind.service.d/seeded.conf
printf '[Service]\nExecStart=/usr/bin/python3 -m http.server 8099\n[Install]\nWantedBy=multi-user.target\n' > /etc/systemd/system/seeded.service
systemctl enable seeded.service >&2
"""
CAUGHT = {
    "extra package": ("packages", "extra", ""),
    "absent package": ("packages", "python3-apt", ""),
    "package's version": ("packages", "mawk", "version"),
    "content": ("files", "/etc/issue", "sha256"),
    "mode": ("files", "/etc/issue.net", "mode"),
    "owner": ("files", "/etc/debian_version", "owner"),
    "group": ("files", "/etc/profile", "group"),
    "type": ("files", "/etc/host.conf", "type"),
    "link's target": ("files", "/etc/alternatives/awk", "target"),
    "capability": ("files", "/usr/bin/env", "capabilities"),
    "extra file": ("files", "/etc/sysctl.d/99-seeded.conf", ""),
    "unit enabled": ("units", "debug-shell.service", ""),
    "unit disabled": ("units", "e2scrub_reap.service", ""),
    "unit masked": ("units", "fstrim.timer", ""),
    "user": ("users", "eve", ""),
    "membership": ("groups", "adm", "members"),
    "kernel parameter": ("sysctls", "kernel.pid_max", ""),
    "service's environment": ("environments", "systemd-logind.service", ""),
    "port": ("ports", "tcp 0.0.0.0:8099 python3", ""),
}


def run(command: list[str]) -> tuple[int, str, str]:
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    return done.returncode, done.stdout, done.stderr


def docker(*words: str) -> str:
    code, out, err = run(["docker", *words])
    assert code == 0, err
    return out.strip()


@dataclass
class Pair:
    """The base image and what was seeded into it: their manifests, and the seconds that the first one's took without a boot."""

    before: Manifest
    after: Manifest
    seconds: float


def manifest(image: str, identity: str) -> Manifest:
    build = Build(role="base", kind="docker", id=identity, bake_key="none", base=BASE)
    return manifest_of(root_of(run, image, LABELS), build, {}, None)


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    began = time.monotonic()
    before = manifest(BASE, "before")
    seconds = time.monotonic() - began
    labels = [word for key, value in LABELS.items() for word in ("--label", f"{key}={value}")]
    container = docker("create", *labels, "--interactive", "--network", "none", BASE, "sh", "-c", SEEDS)
    image = ""
    try:
        docker("start", "--attach", container)
        image = docker("commit", container)
        after = manifest(image, "after")
        before["ports"], after["ports"] = ports_of(run, BASE, LABELS), ports_of(run, image, LABELS)
        yield Pair(before, after, seconds)
    finally:
        run(["docker", "rm", "--force", container])
        run(["docker", "rmi", "--force", image])


@pytest.fixture(scope="module")
def comparison(pair: Pair) -> Comparison:
    return compare(pair.before, pair.after, [])


@pytest.mark.parametrize("kind", CAUGHT)
def test_a_seeded_difference_is_caught(comparison: Comparison, kind: str) -> None:
    found = {(difference.section, difference.name, difference.aspect) for difference in comparison.differences}
    assert CAUGHT[kind] in found, "\n".join(comparison.lines())


def test_a_manifest_is_the_same_the_next_time(pair: Pair) -> None:
    again = manifest(BASE, "before")
    again["ports"] = pair.before["ports"]
    assert text_of(again) == text_of(pair.before)


def test_a_manifest_is_quick(pair: Pair) -> None:
    assert pair.seconds < SECONDS_AN_IMAGE


def test_states_of_units_are_those_that_systemd_says(pair: Pair) -> None:
    listed = docker("run", "--rm", "--network", "none", BASE, "systemctl", "--root=/", "list-unit-files", "--no-legend", "--no-pager")
    assert pair.before["units"] == {line.split()[0]: line.split()[1] for line in listed.splitlines()}
    assert {"enabled", "disabled", "static", "masked", "alias"} <= set(pair.before["units"].values())
