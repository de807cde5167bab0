from __future__ import annotations

import os
from pathlib import Path

import pytest

from tools import docker_engine, work


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine whose Docker answers once its daemon was started, with Debian's file and without systemd."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setattr(work, "STATE", tmp_path)
    monkeypatch.setattr(work, "LOGS", tmp_path / "logs")
    monkeypatch.setattr(docker_engine, "SYSTEMD", tmp_path / "no-systemd")
    monkeypatch.setattr(docker_engine, "DEBIAN", Path(__file__))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    program(folder / "docker", f"[ -e {tmp_path}/runs ] && echo 20.10 || {{ echo 'Cannot connect to the Docker daemon' >&2; exit 1; }}")
    program(folder / "dockerd", f"touch {tmp_path}/runs")
    return folder


def program(path: Path, body: str) -> None:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


def test_a_daemon_that_answers_is_used(programs: Path) -> None:
    (programs.parent / "runs").touch()

    assert docker_engine.ensure() == "20.10 runs"


def test_without_one_root_starts_it_and_waits_until_it_answers(programs: Path) -> None:
    assert docker_engine.ensure() == "20.10 started"


def test_another_user_is_told_what_to_do(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    with pytest.raises(work.Failed, match=r"^Failed to reach Docker: Cannot connect to the Docker daemon\. Start Docker, or run"):
        docker_engine.ensure()
    assert not (programs.parent / "runs").exists()


def test_a_socket_that_is_closed_to_this_user_is_told(programs: Path) -> None:
    program(programs / "docker", "echo 'permission denied while trying to connect' >&2; exit 1")

    with pytest.raises(work.Failed, match="Add the user to the group `docker`"):
        docker_engine.ensure()


def test_a_daemon_that_does_not_come_up_is_told(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(programs / "dockerd", "exit 1")
    monkeypatch.setattr(docker_engine, "WAIT", 0.5)

    with pytest.raises(work.Failed, match="Failed to start Docker: no answer"):
        docker_engine.ensure()
