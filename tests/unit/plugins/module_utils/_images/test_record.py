"""What a record must say of an image."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.twine.platform.plugins.module_utils._images.manifest import Build, ManifestError
from ansible_collections.twine.platform.plugins.module_utils._images.record import read_record

BAKED = {"role": "twine", "bake_key": "k1", "docker_id": "d1", "inputs": {"base image": "sha256:b1"}}
BOX = {"role": "twine", "kind": "box", "bake_key": "k1", "id": "v1", "path": "/box.tar", "inputs": {"base image": "b2"}, "ports": ""}


def record(tmp_path: Path, content: object) -> Path:
    path = tmp_path / "twine.json"
    path.write_text(json.dumps(content))
    return path


def test_a_bakes_record_is_one(tmp_path: Path) -> None:
    found = read_record(record(tmp_path, BAKED))
    assert found.build == Build(role="twine", kind="docker", id="d1", bake_key="k1", base="b1")
    assert (found.docker_id, found.path, found.ports) == ("d1", "", None)
    assert found.manifest == tmp_path / "twine.manifest.json"


def test_a_boxs_record_names_its_file_system_and_its_ports(tmp_path: Path) -> None:
    found = read_record(record(tmp_path, BOX))
    assert found.build == Build(role="twine", kind="box", id="v1", bake_key="k1", base="b2")
    assert (found.docker_id, found.path, found.ports) == ("", "/box.tar", [])


def test_a_box_of_a_bakes_file_system_is_that_bake(tmp_path: Path) -> None:
    assert read_record(record(tmp_path, {**BAKED, "kind": "box", "path": "/box.tar"})).build.id == "d1"


def test_a_base_that_was_made_of_another_counts_as_that(tmp_path: Path) -> None:
    assert read_record(record(tmp_path, {**BAKED, "base": "b0"})).build.base == "b0"


def without(content: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in content.items() if key != name}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (without(BAKED, "role"), "lacks 'role'"),
        (without(BAKED, "bake_key"), "lacks 'bake_key'"),
        (without(BAKED, "inputs"), "lacks 'inputs'"),
        ({**BAKED, "inputs": {}}, "lacks 'base image'"),
        ([BAKED], "it is broken"),
        (without(BAKED, "docker_id"), "neither docker_id nor id and path"),
        (without(BOX, "path"), "neither docker_id nor id and path"),
    ],
)
def test_a_record_that_says_too_little_is_refused(tmp_path: Path, content: object, why: str) -> None:
    with pytest.raises(ManifestError, match=why):
        read_record(record(tmp_path, content))


def test_a_record_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="it is not there"):
        read_record(tmp_path / "twine.json")
