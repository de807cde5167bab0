"""The command line says in one sentence what is missing, and what it writes can be read by AWS's clients."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import botocore.session
import pytest

import local_cloud.__main__ as command_line
from tools import checkout


@pytest.fixture
def docker(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What `docker` answers, by its first words."""
    answers: dict[str, Any] = {"ps": "", "network": "", "image": "sha256:1"}

    def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[bytes]:
        answer = answers[command[1]]
        return subprocess.CompletedProcess(command, 0, str(answer).encode(), b"")

    monkeypatch.setattr(subprocess, "run", run)
    return answers


def test_libraries_that_are_missing_are_said(
    docker: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command_line, "LIBRARIES", checkout.ROOT / "build" / "none")
    assert command_line.main(["up"]) == 1
    assert capsys.readouterr().err == "Failed to find the emulator in build/none: it is not set up. Run: make setup\n"


def test_a_base_image_that_is_missing_is_said(docker: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    docker["image"] = ""
    assert command_line.main(["up"]) == 1
    assert "Failed to find the image twine/base:bookworm" in capsys.readouterr().err


def test_docker_that_is_missing_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def run(*arguments: Any, **options: Any) -> None:
        raise FileNotFoundError("docker")

    monkeypatch.setattr(subprocess, "run", run)
    assert command_line.main(["down"]) == 1
    assert "Failed to run docker: there is no such program" in capsys.readouterr().err


def test_a_cloud_that_is_down_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(command_line, "ENDPOINT", "http://127.0.0.1:9")
    assert command_line.main(["addresses"]) == 1
    assert "Start it: python -m local_cloud up" in capsys.readouterr().err


def test_what_up_writes_is_read_by_clients(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(command_line, "STATE", tmp_path)
    made = command_line.new_credentials()
    command_line.write_access(made, "5")
    assert (tmp_path / "credentials").stat().st_mode & 0o077 == 0
    environment = dict(line.removeprefix("export ").split("=", 1) for line in (tmp_path / "env").read_text().splitlines())
    assert environment["CLOCK_FACTOR"] == "5"
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", environment["AWS_SHARED_CREDENTIALS_FILE"])
    for name, entry in made.items():
        session = botocore.session.Session(profile=f"twine-{name}")
        found = session.get_credentials()
        assert found is not None
        assert (found.access_key, found.secret_key) == (entry["access_key"], entry["secret_key"])


def test_an_images_tag_follows_its_folder_and_the_base(docker: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM a")
    seen = {command_line.digest_of(tmp_path)}
    (tmp_path / "Dockerfile").write_text("FROM b")
    seen.add(command_line.digest_of(tmp_path))
    docker["image"] = "sha256:2"
    seen.add(command_line.digest_of(tmp_path))
    seen.add(command_line.digest_of(tmp_path, "ministack-2"))
    assert len(seen) == 4
