"""The repository's modules with a real aptly: in check mode they say what they would do and write nothing; a second run changes nothing."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.twine.platform.plugins.module_utils._packages.runner import Result, Runner
from ansible_collections.twine.platform.plugins.module_utils._packages.tree import file_digests
from ansible_collections.twine.platform.plugins.modules import aptly_prune, aptly_publication, aptly_snapshot
from tests.benchmarks import publish
from tests.support import processes

Ensure = Callable[[dict[str, Any], bool, Runner], dict[str, Any]]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[publish.Site]:
    """Two packages, published to two places, and a snapshot that nobody shows."""
    made = publish.build(tmp_path, 2)
    name = "20250101T000000Z-0123456789ab"
    made.aptly.make_snapshot("main", name, made.debs[:1], made.debs[1:])
    yield made
    subprocess.run(["gpgconf", "--homedir", str(tmp_path / ".gnupg"), "--kill", "all"], capture_output=True, check=False)


def snapshot(site: publish.Site) -> tuple[Ensure, dict[str, Any], dict[str, dict[str, Any]]]:
    deb, file = site.new()
    packages = [*(asdict(one) | {"file": None} for one in site.debs), asdict(deb) | {"file": file.name}]
    return aptly_snapshot.ensure, {"packages": packages, "incoming": str(file.parent)}, aptly_snapshot.ARGUMENTS


def merge(site: publish.Site) -> tuple[Ensure, dict[str, Any], dict[str, dict[str, Any]]]:
    return aptly_snapshot.ensure, {"merge": ["first"]}, aptly_snapshot.ARGUMENTS


def publication(site: publish.Site) -> tuple[Ensure, dict[str, Any], dict[str, dict[str, Any]]]:
    return aptly_publication.ensure, {"snapshot": "first", "prefix": "other", "signing_key": publish.KEY}, aptly_publication.ARGUMENTS


def switch(site: publish.Site) -> tuple[Ensure, dict[str, Any], dict[str, dict[str, Any]]]:
    return aptly_publication.ensure, {"snapshot": "20250101T000000Z-0123456789ab", "signing_key": publish.KEY}, aptly_publication.ARGUMENTS


def prune(site: publish.Site) -> tuple[Ensure, dict[str, Any], dict[str, dict[str, Any]]]:
    return aptly_prune.prune, {"live": ["first"], "signing_key": publish.KEY}, aptly_prune.ARGUMENTS


def state(site: publish.Site) -> tuple[Any, ...]:
    """All that the repository has and shows."""
    aptly = site.aptly
    shown = {name: digest for name, digest in file_digests(aptly.root).items() if name.split("/")[0] not in ("db", ".gnupg")}
    return sorted(aptly.snapshots()), sorted(aptly.repository_debs("main")), aptly.publications(), shown


@pytest.mark.parametrize(
    ("prepare", "shows"),
    [
        (snapshot, "new-1_1.0-1_all"),
        (merge, None),
        (publication, "first\n"),
        (switch, "20250101T000000Z-0123456789ab\n"),
        (prune, "20250101T000000Z-0123456789ab\n"),
    ],
)
def test_check_mode_tells_and_writes_nothing_and_a_second_run_changes_nothing(site: publish.Site, prepare: Any, shows: str | None) -> None:
    ensure, given, arguments = prepare(site)
    defaults = {name: option.get("default") for name, option in arguments.items()}
    params = {**defaults, "root": str(site.aptly.root), "config": str(site.aptly.config), "user": site.aptly.user, **given}

    def run(args: Sequence[str], **options: Any) -> Result:
        return processes.run([site.aptly.binary if word == "aptly" else word for word in args], **options)

    before = state(site)
    told = ensure(params, True, run)
    assert state(site) == before
    done = ensure(params, False, run)
    assert told["changed"] and done["changed"]
    assert told["diff"] == done["diff"]
    assert shows is None or shows in "".join(told["diff"].values())
    assert state(site) != before
    assert not ensure(params, False, run)["changed"]
