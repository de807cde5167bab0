"""Two releases are told apart in the order in which a reader asks."""

from __future__ import annotations

from typing import Any

from ansible_collections.twine.platform.plugins.module_utils._release.difference import difference, sentences, told
from ansible_collections.twine.platform.plugins.module_utils._release.release import from_data


def newer(good: dict[str, Any]) -> dict[str, Any]:
    twine = {"version": "1.0.1-1~deb12", "architecture": "all", "sha256": "a" * 64}
    ssl = {"version": "3.0.16-1~deb12u1", "architecture": "amd64", "sha256": "b" * 64}
    return good | {
        "name": "1.0.1-aaaaaa",
        "packages": {"twine": twine, "python3-elasticsearch": twine},
        "distribution": {"libssl3": ssl, "zlib1g": ssl},
        "images": good["images"] | {"twine": "ami-11111111111111111"},
        "bake_keys": good["bake_keys"] | {"twine": "111111111111"},
        "templates": good["templates"] | {"network.yml": "c" * 64},
        "plan": {"dev/application": "3" * 64, "prod/application": "d" * 64},
    }


def test_differences_are_told_in_a_readers_order(good: dict[str, Any]) -> None:
    sections = difference(from_data(good), from_data(newer(good)))

    assert [section.title for section in sections] == ["application", "libraries", "images", "stacks"]
    assert sentences(sections) == [
        "package twine: 1.0.0-1~deb12 → 1.0.1-1~deb12",
        "package python3-elasticsearch: absent → 1.0.1-1~deb12",
        "package twine-machine: 1.0-1~deb12 → absent",
        "distribution libssl3: 3.0.15-1~deb12u1 → 3.0.16-1~deb12u1",
        "distribution zlib1g: absent → 3.0.16-1~deb12u1",
        "image twine: ami-0123456789abcdef0 (baked from 0a1b2c3d4e5f) → ami-11111111111111111 (baked from 111111111111)",
        "template network.yml: 111111111111 → cccccccccccc",
        "stack prod/application: 333333333333 → dddddddddddd",
    ]


def test_the_lines_for_a_person_are_in_columns(good: dict[str, Any]) -> None:
    old, new = from_data(good), from_data(newer(good))

    assert told(old, new, difference(old, new)) == [
        "release    1.0.0-0a1b2c → 1.0.1-aaaaaa",
        "commit     0123abcdef01, the same",
        "snapshot   20260101T000000Z-0a1b2c3d4e5f, the same",
        "",
        "application",
        "  twine  1.0.0-1~deb12 → 1.0.1-1~deb12",
        "",
        "libraries",
        "  python3-elasticsearch   (new)            → 1.0.1-1~deb12",
        "  twine-machine           1.0-1~deb12      → (gone)",
        "  libssl3 (distribution)  3.0.15-1~deb12u1 → 3.0.16-1~deb12u1",
        "  zlib1g (distribution)   (new)            → 3.0.16-1~deb12u1",
        "",
        "images",
        "  twine  ami-0123456789abcdef0 (baked from 0a1b2c3d4e5f) → ami-11111111111111111 (baked from 111111111111)",
        "",
        "stacks",
        "  network.yml                                  111111111111 → cccccccccccc",
        "  prod/application (what it takes from where)  333333333333 → dddddddddddd",
    ]


def test_the_same_version_with_other_content_is_told(good: dict[str, Any]) -> None:
    other = good["packages"] | {"twine": good["packages"]["twine"] | {"sha256": "2" * 64}}

    assert sentences(difference(from_data(good), from_data(good | {"packages": other}))) == [
        "package twine: 1.0.0-1~deb12 sha256 000000000000 → 1.0.0-1~deb12 sha256 222222222222"
    ]


def test_another_architecture_is_told(good: dict[str, Any]) -> None:
    other = good["packages"] | {"twine": good["packages"]["twine"] | {"architecture": "arm64"}}

    assert sentences(difference(from_data(good), from_data(good | {"packages": other}))) == ["package twine: 1.0.0-1~deb12 all → 1.0.0-1~deb12 arm64"]


def test_another_application_is_no_library(good: dict[str, Any]) -> None:
    application, libraries, _images, _stacks = difference(from_data(good), from_data(newer(good)), "twine-machine")

    assert [change.what for change in application.changes] == ["twine-machine"]
    assert "twine" in [change.what for change in libraries.changes]


def test_a_release_does_not_differ_from_itself(good: dict[str, Any]) -> None:
    release = from_data(good)
    sections = difference(release, release)

    assert sentences(sections) == []
    assert told(release, release, sections)[3:] == [
        "",
        "application: the same",
        "",
        "libraries: the same",
        "",
        "images: the same",
        "",
        "stacks: the same",
    ]
