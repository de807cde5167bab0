"""One difference of each kind, made on a file system, is caught, and nothing else is said to differ."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.twine.platform.plugins.module_utils._images.manifest import Manifest, listening
from ansible_collections.twine.platform.plugins.module_utils._images.parity import compare
from tests.unit.plugins.module_utils._images import machine

Seed = Callable[[Path], object]
Found = set[tuple[str, str, str]]
NET_BIND_SERVICE = struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0)
NGINX = "usr/lib/systemd/system/nginx.service"
SS = 'tcp LISTEN 0 128 0.0.0.0:{port} 0.0.0.0:* users:(("nginx",pid=7,fd=6))\nudp UNCONN 0 0 127.0.0.1:323 0.0.0.0:*\n'


def edit(name: str, old: str, new: str) -> Seed:
    def change(root: Path) -> None:
        text = (root / name).read_text()
        assert old in text
        (root / name).write_text(text.replace(old, new))

    return change


def link(name: str, target: str) -> Seed:
    def change(root: Path) -> None:
        (root / name).unlink(missing_ok=True)
        (root / name).symlink_to(target)

    return change


def folder_instead_of_file(root: Path) -> None:
    (root / "usr/bin/ping").unlink()
    (root / "usr/bin/ping").mkdir(mode=0o755)


DPKG = "var/lib/dpkg/status"
INSTALLED = "install ok installed\nArchitecture: amd64\nVersion: 3"
STATUS = ("files", f"/{DPKG}", "sha256")
SEEDS: dict[str, tuple[Seed, Found]] = {
    "package's version": (edit(DPKG, "1.22.1-9", "1.22.1-10"), {("packages", "nginx", "version"), STATUS}),
    "extra package": (edit(DPKG, "Package: nginx", "Package: vim\nVersion: 9\n\nPackage: nginx"), {("packages", "vim", ""), STATUS}),
    "absent package": (lambda root: (root / DPKG).write_text(machine.STATUS.split("\n\n")[0]), {("packages", "libssl3", ""), STATUS}),
    "package's state": (
        edit(DPKG, INSTALLED, INSTALLED.replace(" installed", " unpacked")),
        {("packages", "libssl3", "state"), STATUS},
    ),
    "extra file": (lambda root: (root / "usr/bin/extra").write_text(""), {("files", "/usr/bin/extra", "")}),
    "absent file": (lambda root: (root / "usr/bin/ping").unlink(), {("files", "/usr/bin/ping", "")}),
    "content": (lambda root: (root / "usr/bin/ping").write_text("pong"), {("files", "/usr/bin/ping", "sha256")}),
    "mode": (lambda root: (root / "usr/bin/ping").chmod(0o4755), {("files", "/usr/bin/ping", "mode")}),
    "folder's mode": (lambda root: (root / "etc/nginx").chmod(0o700), {("files", "/etc/nginx", "mode")}),
    "type": (folder_instead_of_file, {("files", "/usr/bin/ping", "type"), ("files", "/usr/bin/ping", "mode"), ("files", "/usr/bin/ping", "sha256")}),
    "link's target": (link("usr/bin/view", "more"), {("files", "/usr/bin/view", "target")}),
    "unit enabled": (
        link("etc/systemd/system/multi-user.target.wants/clock.service", "/usr/lib/systemd/system/clock.service"),
        {("units", "clock.service", ""), ("files", "/etc/systemd/system/multi-user.target.wants/clock.service", "")},
    ),
    "unit disabled": (
        lambda root: (root / "etc/systemd/system/multi-user.target.wants/nginx.service").unlink(),
        {("units", "nginx.service", ""), ("files", "/etc/systemd/system/multi-user.target.wants/nginx.service", "")},
    ),
    "unit masked": (
        link("etc/systemd/system/oneshot.service", "/dev/null"),
        {("units", "oneshot.service", ""), ("files", "/etc/systemd/system/oneshot.service", "")},
    ),
    "user": (
        edit("etc/passwd", "web:x:33", "eve:x:1000:33:eve:/home/eve:/bin/sh\nweb:x:33"),
        {("users", "eve", ""), ("files", "/etc/passwd", "sha256")},
    ),
    "user's shell": (edit("etc/passwd", "/usr/sbin/nologin", "/bin/sh"), {("users", "web", "shell"), ("files", "/etc/passwd", "sha256")}),
    "password": (edit("etc/shadow", "web:!", "web:$y$j9T$abc"), {("users", "web", "password"), ("files", "/etc/shadow", "sha256")}),
    "membership": (
        edit("etc/group", "adm:x:4:root", "adm:x:4:root,web"),
        {("groups", "adm", "members"), ("users", "web", "groups"), ("files", "/etc/group", "sha256")},
    ),
    "group": (edit("etc/group", "adm:x:4", "adm:x:5"), {("groups", "adm", "gid"), ("files", "/etc/group", "sha256")}),
    "kernel parameter": (
        edit("etc/sysctl.d/60-machine.conf", "4096", "128"),
        {("sysctls", "net.core.somaxconn", ""), ("files", "/etc/sysctl.d/60-machine.conf", "sha256")},
    ),
    "service's environment": (
        edit(NGINX, "WORKERS=2", "WORKERS=3"),
        {("environments", "nginx.service", "WORKERS"), ("files", f"/{NGINX}", "sha256")},
    ),
    "environment's file": (
        edit("etc/default/nginx", "-g daemon", "-q"),
        {("environments", "nginx.service", "OPTIONS"), ("files", "/etc/default/nginx", "sha256")},
    ),
}


def found(left: Manifest, right: Manifest) -> Found:
    return {(difference.section, difference.name, difference.aspect) for difference in compare(left, right, []).differences}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return machine.make(tmp_path / "root")


def test_the_same_root_read_twice_differs_in_nothing(root: Path) -> None:
    assert found(machine.manifest(root, "one"), machine.manifest(root, "two")) == set()


@pytest.mark.parametrize("kind", SEEDS)
def test_a_seeded_difference_is_caught(root: Path, kind: str) -> None:
    seed, expected = SEEDS[kind]
    before = machine.manifest(root, "one")
    seed(root)
    assert found(before, machine.manifest(root, "two")) == expected


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"owners": {"usr/bin/ping": (33, 0)}}, {("files", "/usr/bin/ping", "owner")}),
        ({"owners": {"usr/bin/ping": (0, 33)}}, {("files", "/usr/bin/ping", "group")}),
        ({"xattrs": {"usr/bin/ping": {"security.capability": NET_BIND_SERVICE}}}, {("files", "/usr/bin/ping", "capabilities")}),
        ({"xattrs": {"usr/bin/ping": {"user.note": b"\x00\xff"}}}, {("files", "/usr/bin/ping", "xattrs")}),
    ],
    ids=["owner", "group", "capability", "extended attribute"],
)
def test_what_only_root_may_seed_is_caught_in_a_tar(root: Path, tmp_path: Path, options: dict[str, Any], expected: Found) -> None:
    before = machine.packed(root, tmp_path / "one.tar")
    after = machine.packed(root, tmp_path / "two.tar", **options)
    assert found(machine.manifest(before, "one"), machine.manifest(after, "two")) == expected


def test_an_open_port_is_caught(root: Path) -> None:
    before, after = (machine.manifest(root, name, listening(SS.format(port=port))) for name, port in (("one", 80), ("two", 8080)))
    assert found(before, after) == {("ports", "tcp 0.0.0.0:80 nginx", ""), ("ports", "tcp 0.0.0.0:8080 nginx", "")}
