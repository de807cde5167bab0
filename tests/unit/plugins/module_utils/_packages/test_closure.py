"""What installing packages brings, from an index alone."""

from __future__ import annotations

import random

import pytest

from ansible_collections.twine.platform.plugins.module_utils._packages.closure import closure, required
from ansible_collections.twine.platform.plugins.module_utils._packages.entry import Deb, Entry


def entry(name: str, depends: str = "", provides: str = "", version: str = "1.0", architecture: str = "all", *, needed: bool = False) -> Entry:
    return Entry(Deb(name, version, architecture, f"{name}{version}".ljust(64, "0")), depends, provides, needed)


INDEX = [
    entry("web", "server (>= 1.0), lib"),
    entry("server", "lib (>= 1.0), awk"),
    entry("lib"),
    entry("mawk", provides="awk"),
    entry("gawk", provides="awk"),
    entry("other"),
]


@pytest.mark.parametrize(
    ("index", "names", "chosen"),
    [
        ([], [], []),
        (INDEX, ["lib"], ["lib"]),
        (INDEX, ["web"], ["gawk", "lib", "server", "web"]),
        # A virtual package may be had already.
        (INDEX, ["mawk", "web"], ["lib", "mawk", "server", "web"]),
        (INDEX, ["awk"], ["gawk"]),
        # The first alternative that can be had.
        ([entry("a", "absent | b | c"), entry("b"), entry("c")], ["a"], ["a", "b"]),
        ([entry("a", "b (>= 2) | c"), entry("b"), entry("c")], ["a"], ["a", "c"]),
        # An alternative that is there anyway.
        ([entry("a", "b | c"), entry("b"), entry("c")], ["c", "a"], ["a", "b", "c"]),
        ([entry("z", "b | c"), entry("b"), entry("c")], ["c", "z"], ["c", "z"]),
        # A circle.
        ([entry("a", "b"), entry("b", "a")], ["a"], ["a", "b"]),
        # A version is provided only where it is said.
        ([entry("a", "virtual (>= 2)"), entry("b", provides="virtual"), entry("c", provides="virtual (= 3)")], ["a"], ["a", "c"]),
    ],
)
def test_what_comes_along(index: list[Entry], names: list[str], chosen: list[str]) -> None:
    found = closure(index, names, "amd64")
    assert list(found.packages) == chosen
    assert found.missing == ()


@pytest.mark.parametrize(
    ("index", "names", "missing"),
    [
        (INDEX, ["absent"], ("absent",)),
        ([entry("a", "absent (>= 2)")], ["a"], ("absent (>= 2) (for a)",)),
        ([entry("a", "b (>= 2)"), entry("b")], ["a"], ("b (>= 2) (for a)",)),
        ([entry("a", "absent | gone")], ["a"], ("absent (for a)",)),
        ([entry("a", architecture="arm64")], ["a"], ("a",)),
    ],
)
def test_what_cannot_be_had_is_named(index: list[Entry], names: list[str], missing: tuple[str, ...]) -> None:
    assert closure(index, names, "amd64").missing == missing


def test_the_newest_version_is_taken() -> None:
    index = [entry("a", version="1.9"), entry("a", version="1.10"), entry("a", version="1.10~rc1")]
    assert closure(index, ["a"], "amd64").packages["a"].deb.version == "1.10"


def test_order_has_no_part() -> None:
    shuffled = random.Random(7).sample(INDEX, len(INDEX))
    assert closure(shuffled, ["web", "other"], "amd64") == closure(INDEX, ["other", "web"], "amd64")


def test_every_machine_has_what_the_distribution_requires() -> None:
    assert required([entry("dpkg", needed=True), entry("web")]) == ["dpkg"]


@pytest.mark.parametrize(
    ("fields", "needed"), [({"Essential": "yes"}, True), ({"Priority": "required"}, True), ({"Priority": "optional"}, False), ({}, False)]
)
def test_entry_of_an_index(fields: dict[str, str], needed: bool) -> None:
    known = {"Package": "a", "Version": "1", "Architecture": "all", "SHA256": "0" * 64, "Pre-Depends": "dpkg", "Depends": "b", "Provides": "c"}
    found = Entry.of({**known, **fields})
    assert found == Entry(Deb("a", "1", "all", "0" * 64), "dpkg, b", "c", needed)
    assert Entry.from_data(found.as_data()) == found
