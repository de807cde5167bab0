"""A deb is read without dpkg, and two debs are compared down to the file and what of it differs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.twine.platform.plugins.module_utils._packages import deb
from ansible_collections.twine.platform.plugins.module_utils._packages.errors import PackageError

from .conftest import write_deb

FIELDS = {"Package": "greeting", "Version": "1.0", "Architecture": "all", "Pre-Depends": "dpkg", "Depends": "python3 (>= 3.11)"}


def made(path: Path, **changes: Any) -> Path:
    return write_deb(path, **{"fields": FIELDS, "files": {"usr/bin/greet": b"hello", "usr/share/doc/x": b"odd"}, **changes})


def test_fields_and_files(tmp_path: Path) -> None:
    file = made(tmp_path / "a.deb")
    assert deb.control_fields(file) == FIELDS
    assert deb.relations(deb.control_fields(file)) == "dpkg, python3 (>= 3.11)"
    assert dict(deb.files(file)) == {"usr/bin/greet": b"hello", "usr/share/doc/x": b"odd"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, []),
        ({"files": {"usr/bin/greet": b"hallo", "usr/share/doc/x": b"odd"}}, ["usr/bin/greet differs in content"]),
        ({"files": {"usr/bin/greet": b"hello"}}, ["usr/share/doc/x is in one of them only"]),
        ({"files": {"usr/share/doc/x": b"odd", "usr/bin/greet": b"hello"}}, ["the order of the files differs"]),
        ({"mode": 0o600}, ["control differs in mode", "usr/bin/greet differs in mode", "usr/share/doc/x differs in mode"]),
        ({"fields": {**FIELDS, "Version": "1.1"}}, ["control differs in content"]),
    ],
)
def test_differences(tmp_path: Path, changes: dict[str, Any], said: list[str]) -> None:
    assert deb.differences(made(tmp_path / "a.deb"), made(tmp_path / "b.deb", **changes)) == said


def test_time_differs(tmp_path: Path) -> None:
    found = deb.differences(made(tmp_path / "a.deb"), made(tmp_path / "b.deb", epoch=1))
    assert "usr/bin/greet differs in time" in found


def test_packed_in_another_way(tmp_path: Path) -> None:
    first, second = made(tmp_path / "a.deb"), made(tmp_path / "b.deb")
    data = second.read_bytes()
    # The operating system in gzip's header: no content differs.
    place = data.index(b"\x1f\x8b") + 9
    second.write_bytes(data[:place] + b"\x07" + data[place + 1 :])
    assert deb.differences(first, second) == ["control.tar.gz is packed in another way"]


def test_headers_differ(tmp_path: Path) -> None:
    first, second = made(tmp_path / "a.deb"), made(tmp_path / "b.deb")
    second.write_bytes(second.read_bytes().replace(b"100644", b"100600", 1))
    assert deb.differences(first, second) == ["the headers of the archive differ"]


def test_digests_that_follow_are_not_told(tmp_path: Path) -> None:
    files = {"md5sums": b"0  usr/bin/greet", "usr/bin/greet": b"hello"}
    first = made(tmp_path / "a.deb", files=files)
    second = made(tmp_path / "b.deb", files={"md5sums": b"1", "usr/bin/greet": b"hallo"})
    assert deb.differences(first, second) == ["usr/bin/greet differs in content"]
    assert deb.differences(first, made(tmp_path / "c.deb", files={**files, "md5sums": b"1"})) == ["md5sums differs in content"]


def test_no_deb(tmp_path: Path) -> None:
    (tmp_path / "a.deb").write_text("hello")
    with pytest.raises(PackageError, match=r"Failed to read .*a.deb: it is no deb. Build it again."):
        deb.control_fields(tmp_path / "a.deb")
