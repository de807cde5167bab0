from __future__ import annotations

import importlib.util
import json
import os
import shutil
import stat
import subprocess
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[3] / "roles/box/files/usr/lib/box/first_boot.py"
ARGUMENTS = ("--database", "twine", "--group", "twine")


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("box_first_boot", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Box:
    """A box below a folder; what its database is told is noted, with the arguments by which it is told."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.script: Any = load()
        self.root = root
        self.machine = root / "etc/machine"
        self.told: list[str] = []
        self.arguments: list[str] = []
        self.answers: dict[str, str] = {}
        self.broken = ""
        (root / "usr/lib/box").mkdir(parents=True)
        (root / "usr/lib/box/machine.env").write_text('MACHINE_ROLE="twine"\n')
        monkeypatch.setattr(shutil, "chown", lambda *_paths, **_owner: None)
        monkeypatch.setattr(subprocess, "run", self._psql)

    def _psql(self, command: list[str], **given: Any) -> subprocess.CompletedProcess[str]:
        if self.broken:
            raise subprocess.CalledProcessError(2, command, stderr=self.broken)
        self.arguments += command
        self.told.append(given["input"])
        return subprocess.CompletedProcess(command, 0, self.answers.get(given["input"], ""), "")

    def boot(self, *arguments: str) -> int:
        return int(self.script.main(arguments or ARGUMENTS, self.root))

    def secret(self, name: str) -> str:
        return (self.machine / "secrets" / name).read_text()


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Box:
    return Box(tmp_path, monkeypatch)


def test_secrets_are_made_and_the_database_takes_its_own(box: Box) -> None:
    assert box.boot() == 0
    login = json.loads(box.secret("database"))
    assert login["username"] == "twine"
    assert f"CREATE ROLE twine LOGIN PASSWORD '{login['password']}';" in box.told[-1]
    assert "CREATE DATABASE twine OWNER twine" in box.told[-1]
    assert "REVOKE ALL ON DATABASE twine FROM PUBLIC;" in box.told[-1]
    assert len({login["password"], box.secret("search"), box.secret("session_key")}) == 3


def test_secrets_are_in_no_argument_and_read_by_their_group_only(box: Box) -> None:
    assert box.boot() == 0
    assert json.loads(box.secret("database"))["password"] not in " ".join(box.arguments)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (box.machine / "secrets").iterdir()}
    assert modes == {"database": 0o640, "search": 0o640, "session_key": 0o640}
    assert stat.S_IMODE((box.machine / "secrets").stat().st_mode) == 0o750


def test_a_closed_mask_does_not_close_the_way(box: Box) -> None:
    before = os.umask(0o077)
    try:
        box.boot()
    finally:
        os.umask(before)
    assert stat.S_IMODE((box.root / "etc/machine").stat().st_mode) == 0o755


def test_two_boxes_have_nothing_in_common(box: Box) -> None:
    assert box.boot() == 0
    first = {name: box.secret(name) for name in ("database", "search", "session_key")}
    shutil.rmtree(box.machine)
    assert box.boot() == 0
    assert all(box.secret(name) != first[name] for name in first)


def test_configuration_comes_last_so_that_a_broken_boot_begins_again(box: Box, capsys: pytest.CaptureFixture[str]) -> None:
    box.broken = "psql: error: no server"
    assert box.boot() == 1
    assert "Failed to make the database: psql: error: no server. See that postgresql.service runs" in capsys.readouterr().err
    assert not (box.machine / "machine.env").exists()
    password = box.secret("database")
    box.broken = ""
    box.answers = {"SELECT rolname FROM pg_roles;": "postgres\ntwine\n", "SELECT datname FROM pg_database;": "postgres\ntwine\n"}
    assert box.boot() == 0
    assert box.secret("database") == password
    assert box.told[-1].startswith(f"ALTER ROLE twine LOGIN PASSWORD '{json.loads(password)['password']}';")
    assert "CREATE DATABASE" not in box.told[-1]
    assert (box.machine / "machine.env").read_text() == 'MACHINE_ROLE="twine"\n'


def test_a_name_that_sql_would_read_as_more_is_refused(box: Box, capsys: pytest.CaptureFixture[str]) -> None:
    assert box.boot("--database", "twine; DROP", "--group", "twine") == 1
    assert "no plain name. Correct box_database." in capsys.readouterr().err
    assert not box.machine.exists()


def test_a_full_disk_is_told(box: Box, capsys: pytest.CaptureFixture[str]) -> None:
    (box.root / "usr/lib/box/machine.env").unlink()
    assert box.boot() == 1
    assert "Failed to give the box its identity" in capsys.readouterr().err
