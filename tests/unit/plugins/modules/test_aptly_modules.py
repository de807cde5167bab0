"""The repository's modules with a real aptly: in check mode they say what they would do and write nothing; a second run changes nothing."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.twine.platform.plugins.module_utils._packages.aptly import Publication
from ansible_collections.twine.platform.plugins.module_utils._packages.runner import Result, Runner
from ansible_collections.twine.platform.plugins.module_utils._packages.tree import file_digests
from ansible_collections.twine.platform.plugins.modules import aptly_mirror, aptly_prune, aptly_publication, aptly_snapshot
from tests.benchmarks import publish
from tests.support import processes, small_debs, trees
from tests.support.web import served

Ensure = Callable[[dict[str, Any], bool, Runner], dict[str, Any]]
UNSHOWN = "20250101T000000Z-0123456789ab"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[publish.Site]:
    """Two packages, published to two places, and a snapshot that nobody shows."""
    folder = tmp_path_factory.mktemp("site")
    built = publish.build(folder, 2)
    built.aptly.make_snapshot("main", UNSHOWN, built.debs[:1], built.debs[1:])
    yield built
    subprocess.run(["gpgconf", "--homedir", str(folder / ".gnupg"), "--kill", "all"], capture_output=True, check=False)


@pytest.fixture
def site(made: publish.Site, tmp_path: Path) -> publish.Site:
    """A copy of it."""
    origin = made.aptly.root
    aptly = replace(made.aptly, root=tmp_path / "aptly", config=tmp_path / "aptly" / "aptly.conf")
    trees.copy(origin, aptly.root, ".gnupg")
    aptly.config.write_text(aptly.config.read_text().replace(str(origin), str(aptly.root)))
    (aptly.root / ".gnupg").symlink_to(origin / ".gnupg")
    return publish.Site(aptly, list(made.debs), made.key)


def snapshot(site: publish.Site) -> tuple[Ensure, dict[str, Any], dict[str, dict[str, Any]]]:
    deb, file = site.new()
    packages = [*(asdict(one) | {"file": None} for one in site.debs), asdict(deb) | {"file": file.name}]
    return aptly_snapshot.ensure, {"packages": packages, "incoming": str(file.parent)}, aptly_snapshot.ARGUMENTS


def merge(site: publish.Site) -> tuple[Ensure, dict[str, Any], dict[str, dict[str, Any]]]:
    return aptly_snapshot.ensure, {"merge": ["first"]}, aptly_snapshot.ARGUMENTS


def publication(site: publish.Site) -> tuple[Ensure, dict[str, Any], dict[str, dict[str, Any]]]:
    return aptly_publication.ensure, {"snapshot": "first", "prefix": "other", "signing_key": publish.KEY}, aptly_publication.ARGUMENTS


def switch(site: publish.Site) -> tuple[Ensure, dict[str, Any], dict[str, dict[str, Any]]]:
    return aptly_publication.ensure, {"snapshot": UNSHOWN, "signing_key": publish.KEY}, aptly_publication.ARGUMENTS


def prune(site: publish.Site) -> tuple[Ensure, dict[str, Any], dict[str, dict[str, Any]]]:
    return aptly_prune.prune, {"live": ["first"], "signing_key": publish.KEY}, aptly_prune.ARGUMENTS


def options(site: publish.Site, arguments: dict[str, dict[str, Any]], given: dict[str, Any]) -> dict[str, Any]:
    """A module's options: its defaults, where this aptly is, and what is given."""
    defaults = {name: option.get("default") for name, option in arguments.items()}
    return {**defaults, "root": str(site.aptly.root), "config": str(site.aptly.config), "user": site.aptly.user, **given}


def starter(site: publish.Site) -> Runner:
    """Starts what a module starts; `aptly` is the one that was built here."""

    def run(args: Sequence[str], **given: Any) -> Result:
        return processes.run([site.aptly.binary if word == "aptly" else word for word in args], **given)

    return run


def state(site: publish.Site) -> tuple[Any, ...]:
    """All that the repository has and shows."""
    aptly = site.aptly
    shown = {name: digest for name, digest in file_digests(aptly.root).items() if name.split("/")[0] not in ("db", ".gnupg")}
    return sorted(aptly.snapshots()), sorted(aptly.mirrors()), sorted(aptly.repository_debs("main")), aptly.publications(), shown


@pytest.mark.parametrize(
    ("prepare", "shows"),
    [
        (snapshot, "new-1_1.0-1_all"),
        (merge, None),
        (publication, "first\n"),
        (switch, f"{UNSHOWN}\n"),
        (prune, f"{UNSHOWN}\n"),
    ],
)
def test_check_mode_tells_and_writes_nothing_and_a_second_run_changes_nothing(site: publish.Site, prepare: Any, shows: str | None) -> None:
    ensure, given, arguments = prepare(site)
    params, run = options(site, arguments, given), starter(site)
    before = state(site)
    told = ensure(params, True, run)
    assert state(site) == before
    done = ensure(params, False, run)
    assert told["changed"] and done["changed"]
    assert told["diff"] == done["diff"]
    assert shows is None or shows in "".join(told["diff"].values())
    assert state(site) != before
    assert not ensure(params, False, run)["changed"]


@pytest.fixture
def archive(site: publish.Site) -> Iterator[str]:
    """The archive of a distribution: what this very aptly has published."""
    with served(site.aptly.root / "public") as address:
        yield address


def test_a_mirror_in_check_mode_asks_nobody_and_says_what_is_frozen(site: publish.Site, archive: str) -> None:
    """What the distribution has today is known only when it is asked: the difference is shown by the run that freezes it."""
    keyring = site.aptly.root / "keyring.gpg"
    subprocess.run(["gpg", "--homedir", site.aptly.root / ".gnupg", "--output", keyring, "--export", publish.KEY], check=True, capture_output=True)
    suite = {"url": archive, "suite": "bookworm", "components": ["main"]}
    given = {"suites": [suite], "packages": [deb.name for deb in site.debs], "keyring": str(keyring)}
    labels = [f"{deb.label} {deb.sha256}\n" for deb in site.debs]

    def mirrored(check: bool, refresh: bool = False) -> tuple[bool, str, str, str]:
        before = state(site)
        told = aptly_mirror.ensure(options(site, aptly_mirror.ARGUMENTS, {**given, "refresh": refresh}), check, starter(site))
        assert (state(site) == before) is (check or not told["changed"])
        return told["changed"], told["snapshot"], told["diff"]["before"], told["diff"]["after"]

    assert mirrored(check=True) == (True, "", "", "")
    changed, frozen, before, after = mirrored(check=False)
    assert (changed, before, after) == (True, "", "".join(labels))
    assert mirrored(check=True) == mirrored(check=False) == (False, frozen, after, after)

    newer = small_debs.write(site.aptly.root / "incoming", site.debs[0].name, "2.0-1")
    site.aptly.add("main", [site.aptly.root / "incoming" / newer.file_name])
    site.aptly.make_snapshot("main", "newer", [newer, site.debs[1]], [site.debs[0]])
    publish.publisher(site).ensure(Publication(".", "bookworm", "main", "newer"), 5)
    assert mirrored(check=True, refresh=True) == (True, frozen, after, after)
    changed, refrozen, before, now = mirrored(check=False, refresh=True)
    assert changed and refrozen != frozen
    assert (before, now) == (after, f"{newer.label} {newer.sha256}\n{labels[1]}")
    assert mirrored(check=False, refresh=True) == (False, refrozen, now, now)
