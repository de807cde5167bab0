"""A folder is what its files hold: nothing of when, where and by whom they were written."""

from __future__ import annotations

import os
from pathlib import Path

from ansible_collections.twine.platform.plugins.module_utils._packages import tree


def fill(folder: Path) -> Path:
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "text").write_text("hello\n")
    (folder / "program").write_text("#!/bin/sh\n")
    (folder / "program").chmod(0o755)
    (folder / "link").symlink_to("sub/text")
    return folder


def tar(folder: Path, target: Path) -> bytes:
    tree.write_tar(target, folder, 1_000_000_000, {"sources/more": "text"})
    return target.read_bytes()


def test_same_content_elsewhere_is_the_same(tmp_path: Path) -> None:
    one, other = fill(tmp_path / "one"), fill(tmp_path / "elsewhere" / "other")
    (other / "sub" / "text").chmod(0o600)
    (other / "program").chmod(0o700)
    os.utime(other / "sub" / "text", (1, 1))
    (other / "__pycache__").mkdir()
    (other / "__pycache__" / "x.pyc").write_bytes(b"1")
    assert tree.file_digests(one) == tree.file_digests(other)
    assert tar(one, tmp_path / "1.tar") == tar(other, tmp_path / "2.tar")


def test_content_program_and_link_each_count(tmp_path: Path) -> None:
    folder = fill(tmp_path / "folder")
    before = tree.file_digests(folder)
    (folder / "sub" / "text").write_text("hallo\n")
    (folder / "program").chmod(0o644)
    (folder / "link").unlink()
    (folder / "link").symlink_to("program")
    after = tree.file_digests(folder)
    assert {name for name in before if before[name] != after[name]} == {"sub/text", "program", "link"}


def test_texts_are_kept_apart() -> None:
    assert tree.digest_of("ab", "c") != tree.digest_of("a", "bc")
