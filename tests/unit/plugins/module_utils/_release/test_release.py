"""A release is checked whole, and two of them are told apart."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.twine.platform.plugins.module_utils._release.release import ReleaseError, difference, from_data

GOOD: dict[str, Any] = {
    "name": "1.0.0-0a1b2c",
    "snapshot": "20260101t000000z-0a1b2c3d4e5f",
    "commit": "0123abc",
    "packages": {"twine": {"version": "1.0.0-1~deb12", "architecture": "all", "sha256": "0" * 64}},
    "images": {"twine": "ami-0123456789abcdef0"},
    "bake_keys": {"twine": "0a1b2c3d4e5f"},
    "templates": {"network.yml": "1" * 64},
}


def test_a_release_survives_being_written_and_read() -> None:
    assert from_data(from_data(GOOD).as_data()) == from_data(GOOD)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"extra": 1}, "extra"),
        ({"name": "Not A Name"}, "name"),
        ({"snapshot": ""}, "snapshot"),
        ({"commit": 5}, "commit"),
        ({"images": {"twine": "latest"}}, "images.twine"),
        ({"images": []}, "images"),
        ({"packages": {"twine": {"version": "1"}}}, "packages.twine"),
        ({"packages": {"twine": {"version": "1", "architecture": "all", "sha256": "short"}}}, "packages.twine"),
        ({"templates": {"network.yml": "zz"}}, "templates.network.yml"),
    ],
)
def test_a_wrong_release_is_refused_by_the_key_that_is_wrong(change: dict[str, Any], named: str) -> None:
    with pytest.raises(ReleaseError, match=f"at {named}:"):
        from_data(GOOD | change)


def test_a_missing_key_is_named() -> None:
    with pytest.raises(ReleaseError, match="at images: it is missing"):
        from_data({key: value for key, value in GOOD.items() if key != "images"})


def test_what_is_no_mapping_is_refused() -> None:
    with pytest.raises(ReleaseError, match="no mapping"):
        from_data(["a", "list"])


def test_differences_are_told_in_a_readers_order() -> None:
    new = GOOD | {
        "packages": {"twine": {"version": "1.0.1-1~deb12", "architecture": "all", "sha256": "2" * 64}},
        "images": {"twine": "ami-11111111111111111"},
        "templates": {},
    }
    assert difference(from_data(GOOD), from_data(new)) == [
        "package twine: 1.0.0-1~deb12 → 1.0.1-1~deb12",
        "image twine: ami-0123456789ab → ami-111111111111",
        "template network.yml: 1111111111111111 → absent",
    ]


def test_the_same_version_with_other_content_is_told() -> None:
    new = GOOD | {"packages": {"twine": {"version": "1.0.0-1~deb12", "architecture": "all", "sha256": "2" * 64}}}
    assert difference(from_data(GOOD), from_data(new)) == ["package twine 1.0.0-1~deb12: other content"]


def test_a_release_does_not_differ_from_itself() -> None:
    assert difference(from_data(GOOD), from_data(GOOD)) == []
