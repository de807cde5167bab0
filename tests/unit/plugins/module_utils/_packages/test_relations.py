"""Relation fields as they are written, and which versions they mean."""

from __future__ import annotations

import pytest

from ansible_collections.twine.platform.plugins.module_utils._packages.errors import PackageError
from ansible_collections.twine.platform.plugins.module_utils._packages.relations import Relation, clauses


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        ("adduser", [["adduser"]]),
        ("libc6 (>= 2.36), libssl3(>=3.0.0)", [["libc6 (>= 2.36)"], ["libssl3 (>= 3.0.0)"]]),
        ("debconf (>= 0.5) | debconf-2.0", [["debconf (>= 0.5)", "debconf-2.0"]]),
        ("python3:any, libstdc++6 (>= 12)", [["python3"], ["libstdc++6 (>= 12)"]]),
        ("one,\n two", [["one"], ["two"]]),
    ],
)
def test_fields_are_read(text: str, found: list[list[str]]) -> None:
    assert [[str(relation) for relation in alternatives] for alternatives in clauses(text)] == found


@pytest.mark.parametrize("text", ["one (1.0)", "one (>= 1.0", "one two", "one | ", "${misc:Depends}"])
def test_what_is_no_dependency_is_named(text: str) -> None:
    with pytest.raises(PackageError, match=r"Failed to read a dependency: '.*' is none"):
        clauses(text)


@pytest.mark.parametrize(
    ("operator", "version", "holds"),
    [
        ("", "1.0", True),
        ("", "", True),
        (">=", "1.0", True),
        (">=", "1.0~rc1", False),
        (">>", "1.0", False),
        (">>", "1:0.1", True),
        ("=", "1.0", True),
        ("=", "1.0-1", False),
        ("<=", "1.0", True),
        ("<<", "1.0", False),
        ("<<", "0.9", True),
        (">=", "", False),
    ],
)
def test_versions_that_are_meant(operator: str, version: str, holds: bool) -> None:
    assert Relation("one", operator, "1.0" if operator else "").holds(version) is holds
