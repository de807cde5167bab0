"""A root file system is the same root, read from a folder or from a tar."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.twine.platform.plugins.module_utils._images.root import Root, RootError, read, read_tar
from tests.unit.plugins.module_utils._images import machine


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return machine.make(tmp_path / "root")


def test_a_folder_and_its_tar_are_the_same_root(folder: Path, tmp_path: Path) -> None:
    archive = machine.packed(folder, tmp_path / "root.tar")
    plain = read(folder)
    plain.entries = {path: replace(entry, owner=0, group=0, xattrs={}) for path, entry in plain.entries.items()}
    assert plain == read(archive)


def test_what_a_file_holds_is_hashed_and_configuration_is_kept(folder: Path) -> None:
    root = read(folder)
    assert root.entries["/usr/bin/ping"].sha256 == hashlib.sha256(b"ping\n").hexdigest()
    assert "/usr/bin/ping" not in root.contents
    assert root.text("/etc/nginx/nginx.conf") == "worker_processes auto;\n"


def test_a_file_with_two_names_is_there_twice(folder: Path, tmp_path: Path) -> None:
    os.link(folder / "etc/nginx/nginx.conf", folder / "etc/zz.conf")
    root = read(machine.packed(folder, tmp_path / "root.tar"))
    assert root.entries["/etc/zz.conf"] == root.entries["/etc/nginx/nginx.conf"]
    assert root.text("/etc/zz.conf") == "worker_processes auto;\n"


@pytest.mark.parametrize(
    ("path", "real"),
    [
        ("/lib/libssl.so.3", "/usr/lib/libssl.so.3"),
        ("/usr/bin/view", "/usr/bin/less"),
        ("/etc/systemd/system/masked.service", "/dev/null"),
        ("/etc/systemd/system/multi-user.target.wants/nginx.service", "/usr/lib/systemd/system/nginx.service"),
        ("/not/there", "/not/there"),
    ],
)
def test_links_are_followed_inside_the_root(folder: Path, path: str, real: str) -> None:
    assert read(folder).real(path) == real


def test_a_link_to_itself_ends(folder: Path) -> None:
    (folder / "etc/loop").symlink_to("loop")
    assert read(folder).text("/etc/loop") == ""


def test_a_link_out_of_the_root_reads_nothing_of_this_machine(folder: Path) -> None:
    (folder / "etc/hosts").symlink_to("../../../../../../../../etc/hostname")
    assert read(folder).text("/etc/hosts") == ""


def test_a_later_member_replaces_an_earlier_one() -> None:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for text in (b"one", b"two"):
            member = tarfile.TarInfo("./etc/passwd")
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text))
    archive.seek(0)
    root = read_tar(archive)
    assert root.text("/etc/passwd") == "two" and list(root.entries) == ["/etc/passwd"]


def cut(folder: Path, tmp_path: Path) -> Path:
    archive = machine.packed(folder, tmp_path / "cut.tar")
    archive.write_bytes(archive.read_bytes()[:5000])
    return archive


def garbage(_folder: Path, tmp_path: Path) -> Path:
    (tmp_path / "garbage.tar").write_bytes(b"no tar at all" * 100)
    return tmp_path / "garbage.tar"


def dangling(_folder: Path, tmp_path: Path) -> Path:
    with tarfile.open(tmp_path / "dangling.tar", "w") as tar:
        member = tarfile.TarInfo("etc/second")
        member.type, member.linkname = tarfile.LNKTYPE, "etc/first"
        tar.addfile(member)
    return tmp_path / "dangling.tar"


def without(name: str, folder: Path) -> Path:
    (folder / name).unlink()
    return folder


@pytest.mark.parametrize(
    ("source", "why"),
    [
        (cut, "unexpected end of data"),
        (garbage, "invalid header"),
        (dangling, "/etc/second is the same file as /etc/first, which is not there"),
        (lambda _folder, tmp_path: tmp_path / "nowhere.tar", "No such file"),
        (lambda folder, _tmp_path: without("etc/passwd", folder), "it has no /etc/passwd"),
        (lambda folder, _tmp_path: without("var/lib/dpkg/status", folder), "it has no /var/lib/dpkg/status"),
    ],
)
def test_what_is_no_root_is_refused(folder: Path, tmp_path: Path, source: object, why: str) -> None:
    assert callable(source)
    with pytest.raises(RootError, match=why):
        read(source(folder, tmp_path))


def test_an_empty_root_has_no_names() -> None:
    assert Root().names("/etc") == []
