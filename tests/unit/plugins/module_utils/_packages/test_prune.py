"""What nobody reaches goes, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ansible_collections.twine.platform.plugins.module_utils._packages.aptly import Aptly, Publication
from ansible_collections.twine.platform.plugins.module_utils._packages.errors import PackageError
from ansible_collections.twine.platform.plugins.module_utils._packages.prune import Pruner, unreached
from ansible_collections.twine.platform.plugins.module_utils._packages.publication import Publisher, Settings
from ansible_collections.twine.platform.plugins.module_utils._packages.snapshot import Repository, Rules
from tests.unit.plugins.conftest import aptly_at, deb_maker, fill

OLD, NEW = "20251101T000000Z-000000000000", "20251102T000000Z-111111111111"
SETTINGS = Settings("tests@example.invalid", "tests", "tests")
DEBIAN_OLD, DEBIAN_NEW = "debian-20251101T000000Z-00000000-000000000000", "debian-20251102T000000Z-00000000-111111111111"


@pytest.mark.parametrize(
    ("snapshots", "live", "gone"),
    [
        ([], [], []),
        ([OLD, NEW], [], [OLD, NEW]),
        ([OLD, NEW], [NEW], [OLD]),
        # Release files say it in lower case.
        ([OLD, NEW], [NEW.lower(), OLD.lower()], []),
        ([DEBIAN_OLD, DEBIAN_NEW], [], [DEBIAN_OLD]),
        ([DEBIAN_OLD, DEBIAN_NEW], [DEBIAN_OLD], []),
        ([DEBIAN_OLD, DEBIAN_OLD.replace("debian", "ubuntu")], [], []),
        # Not ours.
        (["by-hand", "work-x", "release-20251101"], [], []),
    ],
)
def test_what_goes(snapshots: list[str], live: list[str], gone: list[str]) -> None:
    assert unreached(snapshots, live) == gone


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, signing_home: Path) -> tuple[Aptly, list[str]]:
    """Three releases, the last of which is published."""
    folder = tmp_path_factory.mktemp("releases")
    aptly = aptly_at(folder / "aptly", signing_home)
    make_deb = deb_maker(aptly, folder / "tree")
    repository = Repository(aptly, "main", "main", "bookworm", Rules())
    publisher = Publisher(aptly, SETTINGS)
    names = []
    for version in ("1.0-1", "1.1-1", "1.2-1"):
        deb = make_deb(version=version)
        names.append(repository.ensure([deb], {deb.name: aptly.root / "incoming" / deb.file_name}, 5).name)
        publisher.ensure(Publication(".", "bookworm", "main", names[-1]), 5)
    return aptly, names


@pytest.fixture
def releases(aptly: Aptly, made: tuple[Aptly, list[str]]) -> tuple[Pruner, list[str]]:
    """Those releases, and a pruner."""
    origin, names = made
    fill(aptly, origin)
    return Pruner(Publisher(aptly, SETTINGS), "main"), names


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*.deb"))


def test_what_no_release_reaches_goes_with_its_files(releases: tuple[Pruner, list[str]]) -> None:
    pruner, (first, second, third) = releases
    root = pruner.aptly.root
    assert len(files(root / "public")) == 3
    looked = pruner.look([first])
    assert looked.dropped == [second]
    assert len(pruner.aptly.snapshots()) == 3
    done = pruner.prune([first], 5)
    assert (done.dropped, done.kept, done.absent) == ([second], sorted([first, third]), [])
    assert [deb.version for deb in done.packages] == ["1.1-1"]
    assert pruner.aptly.snapshots() == sorted([first, third])
    # A client that was shown a former index finds its files until it is pruned.
    assert files(root / "public") == ["greeting_1.2-1_all.deb"]
    assert len(files(root / "pool")) == 2
    assert pruner.prune([first], 5).dropped == []


def test_an_index_that_a_client_has_read_stays_until_it_is_pruned(releases: tuple[Pruner, list[str]]) -> None:
    """Three were shown, the first of them again: prune takes the second, and leaves the one that is shown and the one before it."""
    pruner, names = releases
    folder = pruner.aptly.root / "public/dists/bookworm"

    def indices() -> set[str]:
        return {path.name for path in folder.glob("main/binary-amd64/by-hash/SHA256/*") if not path.is_symlink()}

    def named() -> set[str]:
        return set(re.findall(r" ([0-9a-f]{64}) +\d+ main/binary-amd64/", (folder / "Release").read_text()))

    third, read = named(), indices()
    pruner.publisher.ensure(Publication(".", "bookworm", "main", names[0]), 5)
    # Each has its Packages and Packages.gz, and all have one Release.
    assert (len(read), indices()) == (2 * len(names) + 1, read)
    pruner.prune(names[2:], 5)
    assert indices() == named() | third


def test_a_release_that_is_not_here_is_told(releases: tuple[Pruner, list[str]]) -> None:
    pruner, (_first, _second, third) = releases
    assert pruner.look([OLD, third.lower()]).absent == [OLD]


def test_without_a_live_release_nothing_goes(releases: tuple[Pruner, list[str]]) -> None:
    pruner, names = releases
    with pytest.raises(PackageError, match=r"no live release is named. Name the snapshots"):
        pruner.prune([], 5)
    assert pruner.aptly.snapshots() == sorted(names)
