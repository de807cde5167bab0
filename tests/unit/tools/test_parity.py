from __future__ import annotations

import json
from pathlib import Path

import pytest

from tools import parity

IMAGE = {"bake_key": "k1", "docker_id": "d1"}


@pytest.mark.parametrize(
    ("name", "record", "kinds", "said"),
    [
        ("twine.second", {"bake_key": "k1", "docker_id": "d2"}, ["second"], ""),
        ("twine.box", {"bake_key": "k1", "id": "v1", "path": "/box.tar"}, ["box"], ""),
        ("twine.box", {"bake_key": "k0", "id": "v1"}, [], "box is of bake key k0, the image of k1"),
        ("twine.box", {"bake_key": "k1", "id": "d1"}, [], "box was made of the image's own file system"),
        ("twine.manifest", {"bake_key": "k1", "docker_id": "d2"}, [], ""),
        ("twine.box.manifest", {"bake_key": "k1", "docker_id": "d2"}, [], ""),
        ("bastion.second", {"bake_key": "k1", "docker_id": "d2"}, [], ""),
    ],
)
def test_what_is_compared_with_the_image(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    record: dict[str, str],
    kinds: list[str],
    said: str,
) -> None:
    monkeypatch.setattr(parity, "RECORDS", tmp_path)
    (tmp_path / "twine.json").write_text(json.dumps(IMAGE))
    (tmp_path / f"{name}.json").write_text(json.dumps(record))
    assert parity.others() == kinds
    out = capsys.readouterr().out
    assert said in out and bool(said) == bool(out)
