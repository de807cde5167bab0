from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tools import parity

IMAGE = {"bake_key": "k1", "docker_id": "d1", "inputs": {"role twine": "a", "base image": "b1"}}
AMI = {"bake_key": "k2", "docker_id": "d2", "inputs": {"role twine": "a", "base image": "ami-1"}}


@pytest.mark.parametrize(
    ("name", "record", "kinds", "said"),
    [
        ("twine.second", {"bake_key": "k1", "docker_id": "d2"}, ["second"], ""),
        ("twine.box", {"bake_key": "k1", "id": "v1", "path": "/box.tar"}, ["box"], ""),
        ("twine.box", {"bake_key": "k0", "id": "v1"}, [], "box is of bake key k0, the image of k1"),
        ("twine.box", {"bake_key": "k1", "id": "d1"}, [], "box was made of the image's own file system"),
        ("twine.ami", AMI, ["ami"], ""),
        ("twine.ami", {**AMI, "inputs": {"role twine": "b"}}, [], "ami is of bake key k2, the image of k1"),
        ("twine.ami", {**AMI, "docker_id": "gone"}, [], "ami has no file system at hand"),
        ("twine.ami", {"bake_key": "k1", "id": "ami-2"}, [], "ami has no file system at hand"),
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
    record: dict[str, Any],
    kinds: list[str],
    said: str,
) -> None:
    monkeypatch.setattr(parity, "RECORDS", tmp_path)
    monkeypatch.setattr(parity.base_image, "identity", lambda image: "" if image in ("gone", "none") else image)
    (tmp_path / "twine.json").write_text(json.dumps(IMAGE))
    (tmp_path / f"{name}.json").write_text(json.dumps(record))
    assert parity.others() == kinds
    out = capsys.readouterr().out
    assert said in out and bool(said) == bool(out)


@pytest.mark.parametrize(("kinds", "ended", "plays"), [(["second"], 0, 1), (["second", "box"], 0, 2), (["second", "box"], 1, 1)])
def test_a_virtual_machine_is_compared_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kinds: list[str], ended: int, plays: int
) -> None:
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr(parity, "RECORDS", tmp_path)
    monkeypatch.setattr(parity, "play", lambda _name, **variables: asked.append(variables) or ended)
    (tmp_path / "twine.box.json").write_text(json.dumps({"began": ["docker.base", "qemu.base"]}))
    assert parity.prove(kinds) == ended
    expected = [{"image": "twine", "others": ["second"]}, {"image": "twine", "others": ["box"], "began": ["docker.base", "qemu.base"]}]
    assert asked == expected[:plays]
