"""Changelogs are read out of real debs in a published tree."""

from __future__ import annotations

import gzip
import subprocess
from pathlib import Path

import pytest

from ansible_collections.twine.platform.plugins.module_utils._packages.errors import PackageError
from ansible_collections.twine.platform.plugins.module_utils._packages.runner import ModuleRunner
from ansible_collections.twine.platform.plugins.module_utils._packages.tree import sha256_of
from ansible_collections.twine.platform.plugins.module_utils._release.changelogs import Tree
from ansible_collections.twine.platform.plugins.module_utils._release.release import ReleaseError

from .conftest import module_of


def deb(root: Path, name: str, files: dict[str, bytes], source: str = "") -> str:
    """Builds a deb, names it in the index; its SHA-256."""
    folder = root / "work" / name
    for path, content in {"DEBIAN/control": _control(name, source).encode(), **files}.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    file = root / "pool" / f"{name}_1_all.deb"
    file.parent.mkdir(exist_ok=True)
    subprocess.run(["dpkg-deb", "--root-owner-group", "--build", str(folder), str(file)], check=True, capture_output=True)
    index = root / "dists" / "bookworm" / "main" / "binary-amd64" / "Packages"
    index.parent.mkdir(parents=True, exist_ok=True)
    with index.open("a") as out:
        out.write(f"{_control(name, source)}SHA256: {sha256_of(file)}\nFilename: pool/{file.name}\n\n")
    return sha256_of(file)


def _control(name: str, source: str) -> str:
    line = f"Source: {source}\n" if source else ""
    return f"Package: {name}\n{line}Version: 1\nArchitecture: all\nMaintainer: A <a@example.org>\nDescription: a\n"


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(ModuleRunner(module_of({}, {}).run_command), tmp_path, tmp_path)


def test_a_changelog_is_read_from_where_debian_and_native_packages_have_it(tree: Tree) -> None:
    one = deb(tree.root, "libssl3", {"usr/share/doc/libssl3/changelog.Debian.gz": gzip.compress(b"openssl (1) \xe2\x80\xa6")}, "openssl (1)")
    other = deb(tree.root, "tzdata", {"usr/share/doc/tzdata/changelog.gz": gzip.compress(b"tzdata (1)")})

    assert tree.changelogs([one, other, "0" * 64]) == {one: "openssl (1) …", other: "tzdata (1)"}


def test_a_package_without_one_takes_that_of_its_source(tree: Tree) -> None:
    one = deb(tree.root, "libssl3", {"usr/share/doc/libssl3/changelog.Debian.gz": gzip.compress(b"openssl (1)")}, "openssl")
    sibling = deb(tree.root, "openssl", {"usr/bin/openssl": b""})
    lonely = deb(tree.root, "lonely", {"usr/bin/lonely": b""})

    assert tree.changelogs([sibling, one, lonely]) == {one: "openssl (1)", sibling: "openssl (1)"}


def test_a_deb_that_is_cut_off_is_named(tree: Tree) -> None:
    digest = deb(tree.root, "libssl3", {"usr/bin/a": b"a" * 1000})
    file = tree.root / "pool" / "libssl3_1_all.deb"
    file.write_bytes(file.read_bytes()[:200])

    with pytest.raises(PackageError, match=r"libssl3_1_all\.deb.*Publish again"):
        tree.changelogs([digest])


def test_a_tree_without_an_index_is_told(tree: Tree) -> None:
    with pytest.raises(ReleaseError, match="holds no index"):
        tree.changelogs(["0" * 64])
