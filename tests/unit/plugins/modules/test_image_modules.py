"""The modules that write, compare and search manifests, from a file system to their answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.twine.platform.plugins.modules import image_manifest, image_parity, image_search
from tests.unit.plugins.module_utils._images import machine

Play = Callable[..., dict[str, Any]]


@pytest.fixture
def play(capsys: pytest.CaptureFixture[str]) -> Play:
    """Runs a module with options and returns its answer."""

    def run(module: ModuleType, check: bool = False, **options: object) -> dict[str, Any]:
        with patch_module_args({**options, "_ansible_check_mode": check}), pytest.raises(SystemExit):
            module.main()
        answer: dict[str, Any] = json.loads(capsys.readouterr().out)
        return answer

    return run


def record(folder: Path, name: str, root: Path, identity: str, base: str) -> Path:
    path = folder / f"{name}.json"
    path.write_text(json.dumps({"role": "web", "kind": "box", "bake_key": "k1", "id": identity, "path": str(root), "inputs": {"base image": base}}))
    return path


@pytest.fixture
def records(tmp_path: Path) -> list[Path]:
    roots = [machine.make(tmp_path / name) for name in ("one", "two")]
    return [record(tmp_path, f"web{number}", root, f"i{number}", f"b{number}") for number, root in enumerate(roots)]


def manifests(records: list[Path]) -> list[str]:
    return [str(path.with_suffix(".manifest.json")) for path in records]


def test_a_manifest_is_written_once(play: Play, records: list[Path]) -> None:
    names = [str(path) for path in records]
    assert play(image_manifest, records=names)["written"] == manifests(records)
    again = play(image_manifest, records=names)
    assert (again["changed"], again["written"]) == (False, [])


def test_check_mode_writes_no_manifest(play: Play, records: list[Path]) -> None:
    assert play(image_manifest, check=True, records=[str(records[0])])["changed"]
    assert not Path(manifests(records)[0]).exists()


def test_another_converge_or_other_ports_make_it_anew(play: Play, records: list[Path]) -> None:
    path = records[0]
    play(image_manifest, records=[str(path)])
    for change in ({"id": "i9"}, {"ports": 'tcp LISTEN 0 1 0.0.0.0:80 0.0.0.0:* users:(("nginx",pid=1,fd=1))'}):
        path.write_text(json.dumps(json.loads(path.read_text()) | change))
        assert play(image_manifest, records=[str(path)])["changed"]
    assert json.loads(Path(manifests(records)[0]).read_text())["ports"] == ["tcp 0.0.0.0:80 nginx"]


def test_equal_images_pass(play: Play, records: list[Path]) -> None:
    play(image_manifest, records=[str(path) for path in records])
    first, second = manifests(records)
    answer = play(image_parity, manifest=first, others=[second], allowed=[])
    assert answer["differences"] == 0 and "on separately made bases" in answer["report"][0]


def test_a_difference_fails_and_is_said(play: Play, records: list[Path], tmp_path: Path) -> None:
    (tmp_path / "two/etc/nginx/nginx.conf").chmod(0o600)
    play(image_manifest, records=[str(path) for path in records])
    first, second = manifests(records)
    answer = play(image_parity, manifest=first, others=[second], allowed=[])
    assert answer["failed"] and "files /etc/nginx/nginx.conf mode: 0644 | 0600   ← role nginx" in answer["msg"]
    reason = "the test made it differ on purpose"
    assert play(image_parity, manifest=first, others=[second], allowed=[{"path": "/etc/nginx/nginx.conf", "reason": reason}])["differences"] == 0


def test_one_base_is_no_proof_unless_it_is_asked_for(play: Play, records: list[Path], tmp_path: Path) -> None:
    same = record(tmp_path, "web1", tmp_path / "two", "i1", "b0")
    play(image_manifest, records=[str(records[0]), str(same)])
    first, second = manifests([records[0], same])
    assert "none of the others was made on a base of its own" in play(image_parity, manifest=first, others=[second], allowed=[])["msg"]
    assert play(image_parity, manifest=first, others=[second], allowed=[], independent=False)["differences"] == 0


def test_a_library_is_found_in_the_images_that_have_it(play: Play, records: list[Path], tmp_path: Path) -> None:
    (tmp_path / "two/var/lib/dpkg/status").write_text(machine.STATUS.replace("3.0.15-1", "3.0.16-1"))
    play(image_manifest, records=[str(path) for path in records])
    answer = play(image_search, folder=str(tmp_path), package="libssl3", version="3.0.16-1")
    assert answer["images"] == ["web box i1 (bake key k1, base b1): libssl3 3.0.16-1"] and answer["searched"] == 2


def test_a_search_without_manifests_is_refused(play: Play, tmp_path: Path) -> None:
    assert "no manifest is there" in play(image_search, folder=str(tmp_path), package="libssl3")["msg"]
