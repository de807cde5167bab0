"""The distribution's part: mirrored by a real aptly from an archive that another real aptly publishes, over HTTP."""

from __future__ import annotations

import dataclasses
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.twine.platform.plugins.module_utils._packages.aptly import Aptly, Publication
from ansible_collections.twine.platform.plugins.module_utils._packages.entry import Deb, Entry
from ansible_collections.twine.platform.plugins.module_utils._packages.errors import PackageError
from ansible_collections.twine.platform.plugins.module_utils._packages.mirror import Mirror, Suite, addressed
from ansible_collections.twine.platform.plugins.module_utils._packages.publication import Publisher, Settings
from ansible_collections.twine.platform.plugins.module_utils._packages.runner import Result
from ansible_collections.twine.platform.plugins.module_utils._packages.snapshot import Merged, Repository, Rules
from tests.support.web import served
from tests.unit.plugins.conftest import aptly_at, deb_maker, fill

KEY_EMAIL = "tests@example.invalid"
MakeDeb = Callable[..., Deb]


@dataclasses.dataclass
class Archive:
    """A distribution, published by an aptly of its own, and our mirror of it."""

    upstream: Aptly
    address: str
    mirror: Mirror

    def publish(self, suite: str, *debs: Deb) -> None:
        """Have the suite show exactly these; their files lie where `make_deb` puts them."""
        publish(self.upstream, self.mirror.aptly.root / "incoming", suite, debs)


def publish(upstream: Aptly, incoming: Path, suite: str, debs: Sequence[Deb]) -> None:
    repository = Repository(upstream, suite, "main", suite, Rules())
    made = repository.ensure(debs, {deb.name: incoming / deb.file_name for deb in debs}, 5)
    publisher = Publisher(upstream, Settings(KEY_EMAIL, "tests", "tests", ("amd64",)))
    publisher.ensure(Publication(suite, suite, "main", made.name), 5)


@pytest.fixture
def archive(aptly: Aptly, tmp_path: Path, signing_home: Path) -> Iterator[Archive]:
    upstream = aptly_at(tmp_path / "upstream", signing_home)
    (upstream.root / "public").mkdir()
    keyring = tmp_path / "archive-keyring.gpg"
    keyring.write_bytes(subprocess.run(["gpg", "--homedir", str(signing_home), "--export", KEY_EMAIL], check=True, capture_output=True).stdout)
    with served(upstream.root / "public") as address:
        suites = (Suite(f"{address}/stable", "stable", ("main",)), Suite(f"{address}/security", "security", ("main",)))
        yield Archive(upstream, address, Mirror(aptly, "debian", suites, ("amd64",), keyring))


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory, signing_home: Path) -> tuple[Aptly, dict[str, Deb]]:
    """A web server that needs a library; security has a newer library, which needs something that only stable has."""
    folder = tmp_path_factory.mktemp("published")
    upstream = aptly_at(folder / "upstream", signing_home)
    make_deb = deb_maker(upstream, folder / "tree")
    debs = {
        "web": make_deb("web", depends="libone (>= 1.0)"),
        "libone": make_deb("libone"),
        "extra": make_deb("extra"),
        "unwanted": make_deb("unwanted"),
        "fixed": make_deb("libone", "1.0-1+deb1", depends="extra"),
        "other": make_deb("other", "2.0-1"),
    }
    publish(upstream, upstream.root / "incoming", "stable", [debs[name] for name in ("web", "libone", "extra", "unwanted")])
    publish(upstream, upstream.root / "incoming", "security", [debs["fixed"], debs["other"]])
    return upstream, debs


@pytest.fixture
def distribution(archive: Archive, published: tuple[Aptly, dict[str, Deb]]) -> dict[str, Deb]:
    """That distribution, in this archive."""
    upstream, debs = published
    fill(archive.upstream, upstream)
    return debs


def test_what_is_needed_is_frozen_and_security_wins(archive: Archive, distribution: dict[str, Deb]) -> None:
    """And what only the fixed version needs is there; what nobody asked for is not."""
    frozen = archive.mirror.ensure(["web"], [], False, 5)
    assert frozen.created
    assert sorted(frozen.debs) == sorted([distribution["web"], distribution["fixed"], distribution["extra"]])
    assert archive.mirror.aptly.snapshot_debs(frozen.name) == sorted(frozen.debs)
    assert [name for name in archive.mirror.aptly.snapshots() if name.startswith("work-")] == []


def test_it_stays_frozen_until_it_is_refreshed(archive: Archive, distribution: dict[str, Deb], make_deb: MakeDeb) -> None:
    first = archive.mirror.ensure(["web"], [], False, 5)
    newer = make_deb("web", "1.1-1", depends="libone")
    archive.publish("security", distribution["fixed"], newer)
    assert archive.mirror.ensure(["web"], [], False, 5).name == first.name
    second = archive.mirror.ensure(["web"], [], True, 5)
    assert second.created
    assert newer in second.debs
    assert second.before == first.debs
    assert archive.mirror.aptly.snapshot_debs(first.name) == sorted(first.debs)
    assert not archive.mirror.ensure(["web"], [], True, 5).created


def test_other_packages_are_another_snapshot(archive: Archive, distribution: dict[str, Deb]) -> None:
    first = archive.mirror.ensure(["extra"], [], False, 5)
    second = archive.mirror.ensure(["extra", "unwanted"], [], False, 5)
    assert first.name != second.name
    assert distribution["unwanted"] in second.debs


def test_what_the_distribution_lacks_is_named_and_nothing_is_frozen(archive: Archive, distribution: dict[str, Deb]) -> None:
    with pytest.raises(PackageError, match=r"Failed to mirror debian: it has not all that is needed: absent. Mend the list"):
        archive.mirror.ensure(["absent", "web"], [], False, 5)
    assert archive.mirror.frozen(["absent", "web"]) == ""


def test_a_distribution_signed_with_another_key_is_refused(archive: Archive, distribution: dict[str, Deb], tmp_path: Path) -> None:
    (tmp_path / "empty.gpg").write_bytes(b"")
    mirror = dataclasses.replace(archive.mirror, keyring=tmp_path / "empty.gpg")
    with pytest.raises(PackageError, match=r"(?s)Failed to mirror .*/stable stable: aptly says:.*has its key"):
        mirror.ensure(["web"], [], False, 5)
    assert mirror.frozen(["web"]) == ""


def unsigned(public: Path) -> None:
    for name in ("InRelease", "Release.gpg"):
        (public / "dists" / "stable" / name).unlink()


def altered(public: Path) -> None:
    for name in ("InRelease", "Release"):
        release = public / "dists" / "stable" / name
        release.write_text(release.read_text().replace("Origin: tests", "Origin: other"))


def cut_off(public: Path) -> None:
    (deb,) = public.glob("pool/**/web_*.deb")
    content = deb.read_bytes()
    deb.unlink()
    deb.write_bytes(content[:-20])


@pytest.mark.parametrize("harm", [unsigned, altered, cut_off])
def test_a_distribution_that_was_harmed_is_refused(archive: Archive, distribution: dict[str, Deb], harm: Callable[[Path], None]) -> None:
    harm(archive.upstream.root / "public" / "stable")
    with pytest.raises(PackageError, match=r"(?s)Failed to mirror .*/stable stable: aptly says:"):
        archive.mirror.ensure(["web"], [], False, 5)
    assert archive.mirror.frozen(["web"]) == ""


def test_an_archive_that_is_away_is_named(archive: Archive) -> None:
    suites = (Suite(f"{archive.address}/nowhere", "stable", ("main",)),)
    with pytest.raises(PackageError, match=r"(?s)Failed to mirror .*/nowhere stable: .*See whether this machine reaches that address"):
        dataclasses.replace(archive.mirror, suites=suites).ensure(["web"], [], False, 5)


def test_our_packages_lie_over_the_distributions(archive: Archive, distribution: dict[str, Deb], make_deb: MakeDeb) -> None:
    """What ours depend on is mirrored, but not what is ours; of one name, ours is published."""
    aptly = archive.mirror.aptly
    own = [make_deb("app", depends="unwanted, libone | other"), make_deb("extra", "9.0-1")]
    ours = Repository(aptly, "main", "main", "bookworm", Rules()).ensure(own, {deb.name: aptly.root / "incoming" / deb.file_name for deb in own}, 5)
    entries = archive.mirror.own([ours.name])
    roots = archive.mirror.roots(["web", "extra"], entries)
    assert roots == ["libone", "unwanted", "web"]
    frozen = archive.mirror.ensure(roots, entries, False, 5)
    merged = Merged(aptly, (frozen.name, ours.name)).ensure(5)
    wanted = sorted([*own, distribution["web"], distribution["fixed"], distribution["unwanted"]])
    assert sorted(aptly.snapshot_debs(merged.name)) == wanted
    assert not Merged(aptly, (frozen.name, ours.name)).ensure(5).created


def test_a_package_of_ours_that_needs_more_than_is_frozen_is_named(archive: Archive, distribution: dict[str, Deb]) -> None:
    """Its version is in the distribution tomorrow, perhaps: the remedy is to ask again."""
    archive.mirror.ensure(["web"], [], False, 5)
    app = Entry(Deb("app", "1.0", "all", "0" * 64), "web (>= 2.0)")
    with pytest.raises(PackageError, match=r"it has not all that is needed: web \(>= 2.0\) \(for app\). Refresh it"):
        archive.mirror.ensure(["web"], [app], False, 5)
    with pytest.raises(PackageError, match=r"Failed to mirror debian: it has not .* \(for app\). Mend the list"):
        archive.mirror.ensure(["web"], [app], True, 5)


def test_merging_what_is_not_there_is_refused(aptly: Aptly) -> None:
    with pytest.raises(PackageError, match="Failed to merge nothing: there is no such snapshot"):
        Merged(aptly, ("nothing",)).ensure(5)


# As apt 2.6 says it.
ASKED = """'http://archive.example.org/debian/dists/stable/InRelease' archive.example.org_debian_dists_stable_InRelease 0
'http://archive.example.org/debian/dists/stable-updates/InRelease' archive.example.org_debian_dists_stable-updates_InRelease 0
'http://elsewhere.example.org/debian/dists/stable/InRelease' elsewhere.example.org_debian_dists_stable_InRelease 0
"""


def asked(args: Sequence[str], **_options: Any) -> Result:
    assert list(args) == ["apt-get", "update", "--print-uris"]
    return Result(0, ASKED, "")


@pytest.mark.parametrize(
    ("suite", "url"),
    [
        (Suite("", "stable", ("main",)), "http://archive.example.org/debian"),
        (Suite("", "stable-updates", ("main",)), "http://archive.example.org/debian"),
        (Suite("http://mirror.example.org", "stable", ("main",)), "http://mirror.example.org"),
    ],
)
def test_a_suite_is_where_the_machines_apt_has_it_unless_it_says_otherwise(suite: Suite, url: str) -> None:
    assert addressed([suite], asked) == (dataclasses.replace(suite, url=url),)


def test_apt_is_not_asked_for_what_is_said() -> None:
    def nobody(*_words: object, **_options: object) -> Result:
        raise AssertionError

    suite = Suite("http://archive.example.invalid/debian", "bookworm", ("main",))
    assert addressed([suite], nobody) == (suite,)


def test_a_suite_that_apt_does_not_know_is_named() -> None:
    with pytest.raises(PackageError, match=r"Failed to mirror backports: apt on this machine has no source of that suite\. Add one to it, or name"):
        addressed([Suite("", "backports", ("main",))], asked)
