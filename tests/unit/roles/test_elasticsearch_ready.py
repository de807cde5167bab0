from __future__ import annotations

import importlib.util
import itertools
import os
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[3] / "roles/elasticsearch/files/usr/lib/elasticsearch/ready.py"
GONE = 2**22 + 1


@pytest.fixture
def ready(monkeypatch: pytest.MonkeyPatch) -> Any:
    spec = importlib.util.spec_from_file_location("ready", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    clock = itertools.count()
    monkeypatch.setattr(module.time, "monotonic", lambda: float(next(clock)))
    monkeypatch.setattr(module.time, "sleep", lambda _seconds: None)
    return module


def ask(ready: Any, monkeypatch: pytest.MonkeyPatch, answers: list[str | None], *arguments: str) -> int:
    left = iter(answers)
    monkeypatch.setattr(ready, "why_not_ready", lambda: next(left, answers[-1]))
    monkeypatch.setattr("sys.argv", ["ready", *arguments])
    return int(ready.main())


def systemctl(monkeypatch: pytest.MonkeyPatch, folder: Path, state: str, restarts: int = 0) -> None:
    """A systemd that says so of every unit; how often it was started again grows by `restarts` with each question."""
    program = folder / "systemctl"
    (folder / "asked").write_text("0")
    count = f"read count <{folder}/asked; echo $((count + {restarts})) >{folder}/asked"
    program.write_text(f"#!/bin/sh\n{count}\necho NRestarts=$count\necho ActiveState={state}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")


def test_waits_until_the_answer_is_yes(ready: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ask(ready, monkeypatch, ["refused", "its status is red", None], "--process", str(os.getpid())) == 0


def test_gives_up_when_the_time_is_over(ready: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(ready, monkeypatch, ["its status is red"], "--seconds", "5") == 1
    assert capsys.readouterr().err == "Failed to reach Elasticsearch: its status is red. Read `journalctl -u elasticsearch`.\n"


def test_gives_up_when_the_process_is_gone(ready: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(ready, monkeypatch, ["refused"], "--seconds", "1000000", "--process", str(GONE)) == 1
    assert "its process is gone" in capsys.readouterr().err


@pytest.mark.parametrize(("state", "said"), [("failed", "elasticsearch.service is failed"), ("inactive", "elasticsearch.service is inactive")])
def test_gives_up_when_its_unit_does_not_run(
    ready: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], state: str, said: str
) -> None:
    systemctl(monkeypatch, tmp_path, state)

    assert ask(ready, monkeypatch, ["refused"], "--seconds", "1000000", "--unit", "elasticsearch.service") == 1
    assert f"{said}. Read" in capsys.readouterr().err


def test_gives_up_when_its_unit_fails_again_and_again(
    ready: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    systemctl(monkeypatch, tmp_path, "activating", restarts=1)

    assert ask(ready, monkeypatch, ["refused"], "--seconds", "1000000", "--unit", "elasticsearch.service") == 1
    assert "elasticsearch.service fails while it starts, and is started again. Read" in capsys.readouterr().err


def test_waits_for_a_unit_that_is_starting(ready: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    systemctl(monkeypatch, tmp_path, "activating")

    assert ask(ready, monkeypatch, ["refused", "refused", None], "--unit", "elasticsearch.service") == 0


@pytest.mark.parametrize(("settings", "port"), [("http.port: 9201\n", 9201), ("cluster.name: twine\n", 9200)])
def test_port_is_the_settings(ready: Any, settings: str, port: int) -> None:
    assert ready.port(settings) == port


@pytest.mark.parametrize(("colour", "reason"), [("green", None), ("yellow", None), ("red", "its status is red")])
def test_red_is_not_ready(ready: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, colour: str, reason: str | None) -> None:
    (tmp_path / "secret").write_text("s3cret\n")
    (tmp_path / "settings").write_text("http.port: 9200\n")
    monkeypatch.setattr(ready, "SECRETS", (tmp_path / "none", tmp_path / "secret"))
    monkeypatch.setattr(ready, "SETTINGS", tmp_path / "settings")
    monkeypatch.setattr(ready, "status", lambda _port, password: colour if password == "s3cret" else "red")
    assert ready.why_not_ready() == reason


def test_missing_secret_is_named(ready: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(ready, "SECRETS", (tmp_path / "first", tmp_path / "second"))
    assert ready.why_not_ready() == f"there is no secret {tmp_path}/first or {tmp_path}/second"
