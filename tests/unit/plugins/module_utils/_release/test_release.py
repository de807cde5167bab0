"""A release is checked whole, on writing and on reading."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.twine.platform.plugins.module_utils._release.release import ReleaseError, from_data, from_text, load, text_of

PACKAGE = {"version": "1", "architecture": "all", "sha256": "0" * 64}
SHARED = {"twine": "ami-0123456789abcdef0"}


def test_a_release_survives_being_written_and_read(good: dict[str, Any]) -> None:
    release = from_data(good)

    assert from_text(text_of(release), "a.yml") == release
    assert from_data(release.as_data()) == release


def test_copies_are_kept_and_no_copies_are_not_written(good: dict[str, Any]) -> None:
    copies = {"prod": {"twine": "ami-11111111111111111"}}

    assert from_text(text_of(from_data(good | {"copies": copies})), "a.yml").copies == copies
    assert "copies" not in text_of(from_data(good))


def test_shares_are_of_the_releases_own_images_and_no_shares_are_not_written(good: dict[str, Any]) -> None:
    shares = {"prod": SHARED}

    assert from_text(text_of(from_data(good | {"shares": shares})), "a.yml").shares == shares
    assert "shares" not in text_of(from_data(good))


def test_what_is_written_has_a_line_a_package_and_a_readers_order(good: dict[str, Any]) -> None:
    lines = text_of(from_data(good)).splitlines()

    assert lines[0].startswith("# Written by playbooks/release.yml")
    assert [line.split(":")[0] for line in lines if line and line[0].isalpha()] == list(good)
    assert sum("twine-machine:" in line for line in lines) == 1


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"extra": 1}, "extra"),
        ({"name": "Not A Name"}, "name"),
        ({"snapshot": ""}, "snapshot"),
        ({"commit": 5}, "commit"),
        ({"commit": "main"}, "commit"),
        ({"images": {"twine": "latest"}}, "images.twine"),
        ({"images": []}, "images"),
        ({"images": {}}, "images"),
        ({"images": {"Twine": "ami-0123456789abcdef0"}}, "images.Twine"),
        ({"bake_keys": {"twine": "0a1b2c3d4e5f"}}, "bake_keys.bastion"),
        ({"bake_keys": {"twine": "0a1b2c3d4e5f", "bastion": "latest"}}, "bake_keys.bastion"),
        ({"packages": {}}, "packages"),
        ({"packages": {"twine": {"version": "1"}}}, "packages.twine"),
        ({"packages": {"twine": PACKAGE | {"sha256": "short"}}}, "packages.twine.sha256"),
        ({"packages": {"twine": PACKAGE | {"version": 1.0}}}, "packages.twine.version"),
        ({"packages": {"twine": PACKAGE | {"version": "v1"}}}, "packages.twine.version"),
        ({"packages": {"twine": PACKAGE | {"architecture": "any all"}}}, "packages.twine.architecture"),
        ({"packages": {"Twine": PACKAGE}}, "packages.Twine"),
        ({"distribution": {"zlib1g": PACKAGE | {"size": 1}}}, "distribution.zlib1g"),
        ({"distribution": None}, "distribution"),
        ({"templates": {"network.yml": "zz"}}, "templates.network.yml"),
        ({"templates": {"../network.yml": "0" * 64}}, "templates.../network.yml"),
        ({"plan": {"application": "0" * 64}}, "plan.application"),
        ({"plan": {"dev/application": 5}}, "plan.dev/application"),
        ({"copies": {"prod": []}}, "copies.prod"),
        ({"copies": {"prod": {"twine": "latest"}}}, "copies.prod.twine"),
        ({"copies": {"prod": {"search": "ami-0123456789abcdef0"}}}, "copies.prod.search"),
        ({"shares": {"prod": {"twine": "ami-11111111111111111"}}}, "shares.prod.twine"),
        ({"shares": {"prod": {"search": "ami-0123456789abcdef0"}}}, "shares.prod.search"),
        ({"shares": {"prod": SHARED}, "copies": {"prod": {"twine": "ami-11111111111111111"}}}, "shares.prod.twine"),
    ],
)
def test_a_wrong_release_is_refused_by_the_key_that_is_wrong(good: dict[str, Any], change: dict[str, Any], named: str) -> None:
    with pytest.raises(ReleaseError) as refused:
        from_data(good | change, "releases/a.yml")

    assert str(refused.value).startswith(f"Failed to read releases/a.yml at {named}: ")
    assert str(refused.value).endswith("Have it written by playbooks/release.yml.")


@pytest.mark.parametrize("key", ["name", "snapshot", "commit", "packages", "images", "bake_keys", "templates", "plan", "distribution"])
def test_a_missing_key_is_named(good: dict[str, Any], key: str) -> None:
    with pytest.raises(ReleaseError, match=f"at {key}: it is missing"):
        from_data({name: value for name, value in good.items() if name != key})


@pytest.mark.parametrize(("text", "why"), [("- a\n- list\n", "no mapping"), ("a: [", "no YAML"), ("", "no mapping")])
def test_what_is_no_release_at_all_is_refused(text: str, why: str) -> None:
    with pytest.raises(ReleaseError, match=why):
        from_text(text, "a.yml")


@pytest.mark.parametrize(("content", "why"), [(None, "No such file"), (b"\xff\xfe", "it is no text")])
def test_a_file_that_cannot_be_read_is_named_with_what_to_do(tmp_path: Path, content: bytes | None, why: str) -> None:
    path = tmp_path / "a.yml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ReleaseError, match=f"Failed to read release file {path}: {why}.*playbooks/release.yml"):
        load(path)


def test_an_architecture_may_tell_two_packages_of_a_name_apart(good: dict[str, Any]) -> None:
    both = {"libssl3:amd64": PACKAGE | {"architecture": "amd64"}, "libssl3:arm64": PACKAGE | {"architecture": "arm64"}}

    assert set(from_data(good | {"distribution": both}).distribution) == set(both)
