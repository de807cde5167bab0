"""What a manifest says of a root, and that it says it in one way only."""

from __future__ import annotations

import json
import shutil
import struct
from pathlib import Path

import pytest

from ansible_collections.twine.platform.plugins.module_utils._images.manifest import (
    ManifestError,
    build_of,
    listening,
    load,
    manifest_of,
    packages_like,
    text_of,
)
from ansible_collections.twine.platform.plugins.module_utils._images.root import read
from tests.unit.plugins.module_utils._images import machine

SS = """\
udp   UNCONN 0      0          127.0.0.1:323        0.0.0.0:*
tcp   LISTEN 0      511          0.0.0.0:80         0.0.0.0:*    users:(("nginx",pid=63,fd=6),("nginx",pid=61,fd=6))
tcp   LISTEN 0      128             [::]:22            [::]:*    users:(("sshd",pid=59,fd=4))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return machine.make(tmp_path / "root")


def test_packages_have_the_digest_that_the_snapshot_names(folder: Path) -> None:
    digests = {"nginx": {"version": "1.22.1-9", "sha256": "a" * 64}, "libssl3": {"version": "3.0.16-1", "sha256": "b" * 64}}
    packages = manifest_of(read(folder), machine.build("one"), digests, None)["packages"]
    assert packages["nginx"] == {"version": "1.22.1-9", "architecture": "amd64", "state": "installed", "sha256": "a" * 64}
    assert "sha256" not in packages["libssl3"]


def test_two_architectures_of_a_package_stand_side_by_side(folder: Path) -> None:
    status = folder / "var/lib/dpkg/status"
    status.write_text(f"{machine.STATUS}\nPackage: libssl3\nStatus: install ok installed\nArchitecture: i386\nVersion: 3.0.15-1\n")
    assert {"libssl3", "libssl3:i386"} <= machine.manifest(folder)["packages"].keys()


@pytest.mark.parametrize(
    ("path", "origin"),
    [("/usr/lib/libssl.so.3", "package libssl3"), ("/etc/nginx/nginx.conf", "role nginx"), ("/usr/bin/ping", None)],
)
def test_a_file_is_known_by_its_package_or_role(folder: Path, path: str, origin: str | None) -> None:
    assert machine.manifest(folder)["files"][path].get("origin") == origin


@pytest.mark.parametrize("text", ["", "no JSON", "{}", '{"files": ["/etc"]}'])
def test_a_machine_without_a_record_of_roles_has_a_manifest_too(folder: Path, text: str) -> None:
    (folder / "usr/lib/twine-machine/provenance.json").write_text(text)
    assert "origin" not in machine.manifest(folder)["files"]["/etc/nginx/nginx.conf"]


def test_kernel_parameters_are_merged_as_sysctl_does(folder: Path) -> None:
    (folder / "etc/sysctl.d/50-default.conf").write_text("kernel.pid_max = 1\n")
    expected = {"net.core.somaxconn": "4096", "net.ipv4.conf.eth0/1.arp_filter": "1", "kernel.pid_max": "1"}
    assert machine.manifest(folder)["sysctls"] == expected


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (struct.pack("<IIIII", 0x02000001, 1 << 10 | 1 << 13, 0, 0, 0), "cap_net_bind_service,cap_net_raw=ep"),
        (struct.pack("<IIIIII", 0x03000000, 0, 1 << 0, 1 << 7, 0, 0), "cap_chown=i cap_perfmon=p"[0:11] + " cap_bpf=p"),
        (b"\x01", "01"),
    ],
)
def test_capabilities_are_said_as_getcap_says_them(folder: Path, tmp_path: Path, value: bytes, said: str) -> None:
    archive = machine.packed(folder, tmp_path / "root.tar", xattrs={"usr/bin/ping": {"security.capability": value}})
    assert machine.manifest(archive)["files"]["/usr/bin/ping"]["capabilities"] == said


def test_no_digest_of_a_password_is_written(folder: Path) -> None:
    (folder / "etc/shadow").write_text("root:$y$j9T$secret:19000::::::\nweb::19000::::::\n")
    manifest = machine.manifest(folder)
    assert (manifest["users"]["root"]["password"], manifest["users"]["web"]["password"]) == ("set", "none")
    assert "secret" not in text_of(manifest)


def test_ports_are_sorted_and_know_their_program() -> None:
    assert listening(SS) == ["tcp 0.0.0.0:80 nginx", "tcp [::]:22 sshd", "udp 127.0.0.1:323 unknown"]


def test_the_text_is_canonical(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "copy", symlinks=True, ignore=shutil.ignore_patterns("pipe"))
    shutil.rmtree(tmp_path / "copy" / "usr" / "bin")
    shutil.copytree(folder / "usr" / "bin", tmp_path / "copy" / "usr" / "bin", symlinks=True)
    (folder / "usr/lib/pipe").unlink()
    assert text_of(machine.manifest(folder)) == text_of(machine.manifest(tmp_path / "copy"))


def test_a_manifest_is_read_back_as_it_was(folder: Path, tmp_path: Path) -> None:
    manifest = machine.manifest(folder, "one", [])
    (tmp_path / "one.json").write_text(text_of(manifest))
    assert load(tmp_path / "one.json") == manifest == json.loads(text_of(manifest))
    assert build_of(manifest) == machine.build("one")


@pytest.mark.parametrize(("text", "why"), [(None, "it is not there"), ("{", "Expecting property name"), ("{}", "says nothing of a build")])
def test_what_is_no_manifest_is_refused(tmp_path: Path, text: str | None, why: str) -> None:
    if text is not None:
        (tmp_path / "one.json").write_text(text)
    with pytest.raises(ManifestError, match=why):
        load(tmp_path / "one.json")


@pytest.mark.parametrize(
    ("package", "version", "found"),
    [
        ("libssl3", "*", [("libssl3", "3.0.15-1")]),
        ("libssl3", "3.0.15-1", [("libssl3", "3.0.15-1")]),
        ("libssl3", "3.0.14-1", []),
        ("lib*", "3.0.*", [("libssl3", "3.0.15-1")]),
        ("ssl", "*", []),
    ],
)
def test_a_manifest_says_whether_it_has_a_library(folder: Path, package: str, version: str, found: list[tuple[str, str]]) -> None:
    assert packages_like(machine.manifest(folder), package, version) == found


def test_a_package_of_which_only_the_configuration_is_left_is_not_in_it(folder: Path) -> None:
    (folder / "var/lib/dpkg/status").write_text(machine.STATUS.replace("install ok installed", "deinstall ok config-files"))
    assert packages_like(machine.manifest(folder), "*", "*") == []
