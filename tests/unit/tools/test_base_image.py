from __future__ import annotations

from typing import Any

import pytest

from tools import base_image, work


class Images:
    """Docker's images as `base_image` sees them: name → label and package versions; the archive has `archive` now."""

    def __init__(self, first: str, archive: list[str]) -> None:
        self.archive = archive
        self.made: list[str] = []
        self.held = {"twine/base:bookworm": ("", first, 0)}

    def make(self, image: str, key: str, _pins: dict[str, Any]) -> bool:
        self.made.append(image)
        self.held[image] = (key, self.archive.pop(0), len(self.made))
        return False

    def label(self, image: str) -> str:
        return self.held[image][0] if image in self.held else ""

    def versions(self, image: str) -> set[str]:
        return {self.held[image][1]}

    def identity(self, image: str) -> str:
        return str(self.held[image][2])


def second(monkeypatch: pytest.MonkeyPatch, images: Images) -> str:
    for name, fake in (("_make", images.make), ("_label", images.label), ("_versions", images.versions), ("identity", images.identity)):
        monkeypatch.setattr(base_image, name, fake)
    monkeypatch.setattr(base_image, "ensure", lambda: "")
    return base_image.second()


FIRST, SECOND = "twine/base:bookworm", "twine/base-second:bookworm"


def test_a_second_base_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    images = Images("ssl 1", ["ssl 1"])
    assert second(monkeypatch, images) == second(monkeypatch, images) == SECOND
    assert images.made == [SECOND]


def test_a_first_base_that_the_archive_has_left_behind_is_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    images = Images("ssl 1", ["ssl 2", "ssl 2", "ssl 2"])
    assert second(monkeypatch, images) == SECOND
    assert images.made == [SECOND, FIRST, SECOND]


def test_an_archive_that_never_rests_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    images = Images("ssl 1", ["ssl 2", "ssl 3", "ssl 4", "ssl 5"])
    with pytest.raises(work.Failed, match="the archive moves between the two"):
        second(monkeypatch, images)
