"""Versions sort and change as dpkg and dch have it."""

from __future__ import annotations

import itertools

import pytest

from ansible_collections.twine.platform.plugins.module_utils._packages import versions
from ansible_collections.twine.platform.plugins.module_utils._packages.errors import PackageError
from tests.support import debian

# In dpkg's order, each older than the next.
ASCENDING = [
    "0.9",
    "1.0~rc1-1",
    "1.0~rc1-2",
    "1.0-1~deb12",
    "1.0-1",
    "1.0-1+b1",
    "1.0a-1",
    "1.0+git-1",
    "1.0.1-1",
    "1.2-1",
    "1.10-1",
    "2026.1.0-1",
    "1:0.1-1",
]

CHANGELOG = """twine (1.0.0-1~deb12) bookworm; urgency=medium

  * Begin.

 -- A Person <a@example.org>  Mon, 24 Nov 2025 09:00:00 +0000

twine (0.9-1~deb12) bookworm; urgency=medium

  * Try.

 -- A Person <a@example.org>  Mon, 17 Nov 2025 09:00:00 +0000
"""


@pytest.mark.parametrize(("older", "newer"), list(itertools.combinations(ASCENDING, 2)))
def test_order(older: str, newer: str) -> None:
    assert versions.is_older(older, newer)
    assert not versions.is_older(newer, older)


@pytest.mark.parametrize(("one", "other"), [("1.0", "1.0-0"), ("1.0", "0:1.0"), ("1.00-1", "1.0-1")])
def test_equal_versions_are_not_older(one: str, other: str) -> None:
    assert not versions.is_older(one, other)
    assert not versions.is_older(other, one)


def test_order_is_dpkgs() -> None:
    steps = [f"dpkg --compare-versions {older} lt {newer} || echo {older} {newer}" for older, newer in itertools.pairwise(ASCENDING)]
    assert debian.run("sh", "-c", "\n".join(steps), needs="dpkg") == ""


@pytest.mark.parametrize("version", ["1.0", "8.19.21", "1.0~rc1", "2026.1.0+git1"])
def test_upstream_versions(version: str) -> None:
    assert versions.is_upstream(version)


@pytest.mark.parametrize("version", ["", "v1.0", "1.0-1", "1:1.0", "1.0 beta"])
def test_not_upstream_versions(version: str) -> None:
    assert not versions.is_upstream(version)


def test_another_version_changes_the_top_entry_alone() -> None:
    changed = versions.with_version(CHANGELOG, "1.0.1-1~deb12", "changelog")
    assert changed == CHANGELOG.replace("1.0.0-1~deb12", "1.0.1-1~deb12")


def test_changelog_without_an_entry() -> None:
    with pytest.raises(PackageError, match=r"Failed to read some/changelog: its first line is not 'name \(version\)"):
        versions.changelog_top("Changes\n", "some/changelog")
