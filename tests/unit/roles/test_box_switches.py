"""box-source and box-settings, the real scripts below a folder; systemctl is noted, and fails when told to."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

PROGRAMS = Path(__file__).parents[3] / "roles/box/files/usr/sbin"
SYSTEMCTL = """#!/bin/sh
echo "$@" >> "$CALLS"
[ ! -e "$REFUSE" ] || ! grep -q BROKEN "$BOX_MACHINE_FOLDER/machine.env"
"""
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    for folder in ("bin", "units", "library", "machine", "src/twine"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "bin/systemctl").write_text(SYSTEMCTL)
    (tmp_path / "bin/systemctl").chmod(0o755)
    (tmp_path / "library/source.conf").write_text('BOX_CODE="/usr/lib/twine/twine"\nBOX_UNITS="twine.service nginx.service"\n')
    (tmp_path / "library/machine.env").write_text('# from the role\nMACHINE_ROLE="twine"\nTWINE_ENVIRONMENT="development"\n')
    (tmp_path / "machine/machine.env").write_text((tmp_path / "library/machine.env").read_text())
    (tmp_path / "src/twine/__init__.py").touch()
    (tmp_path / "calls").touch()
    environment = {
        "PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "CALLS": str(tmp_path / "calls"),
        "REFUSE": str(tmp_path / "refuse"),
        "BOX_SETTINGS": str(tmp_path / "library/source.conf"),
        "BOX_LIBRARY": str(tmp_path / "library"),
        "BOX_UNIT_FOLDER": str(tmp_path / "units"),
        "BOX_MACHINE_FOLDER": str(tmp_path / "machine"),
    }

    def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["sh", str(PROGRAMS / program), *arguments], env=environment, capture_output=True, text=True, check=False)

    return run


def test_every_unit_sees_the_source_where_its_package_is(run: Run, tmp_path: Path) -> None:
    assert run("box-source").stdout == "package /usr/lib/twine/twine\n"
    assert run("box-source", "on", str(tmp_path / "src/twine")).returncode == 0
    for unit in ("twine.service", "nginx.service"):
        written = (tmp_path / f"units/{unit}.d/box-source.conf").read_text()
        assert f"BindReadOnlyPaths={tmp_path}/src/twine:/usr/lib/twine/twine\n" in written
    assert run("box-source", "status").stdout == f"source {tmp_path}/src/twine\n"
    assert (tmp_path / "calls").read_text().splitlines() == ["daemon-reload", "restart twine.service nginx.service"]


def test_and_the_package_again(run: Run, tmp_path: Path) -> None:
    run("box-source", "on", str(tmp_path / "src/twine"))
    assert run("box-source", "off").returncode == 0
    assert not list((tmp_path / "units").rglob("*.conf"))
    assert run("box-source", "status").stdout == "package /usr/lib/twine/twine\n"


@pytest.mark.parametrize(
    ("folder", "said"),
    [("nothing", "is no folder of the application's code"), ("src", "is no folder of the application's code"), ("a b", "as more than a path")],
)
def test_what_is_no_source_is_refused_before_anything_is_written(run: Run, tmp_path: Path, folder: str, said: str) -> None:
    (tmp_path / "a b").mkdir()
    (tmp_path / "a b/__init__.py").touch()
    refused = run("box-source", "on", str(tmp_path / folder))
    assert refused.returncode == 1
    assert said in refused.stderr
    assert not list((tmp_path / "units").iterdir())
    assert (tmp_path / "calls").read_text() == ""


def test_a_wrong_word_is_answered_by_the_right_ones(run: Run) -> None:
    refused = run("box-source", "maybe")
    assert (refused.returncode, refused.stderr.startswith("Usage: ")) == (2, True)
    assert "Usage: " in run("box-source", "on").stderr


def settings(tmp_path: Path, text: str) -> str:
    (tmp_path / "development.env").write_text(text)
    return str(tmp_path / "development.env")


def test_settings_overrule_and_are_added(run: Run, tmp_path: Path) -> None:
    given = settings(tmp_path, "TWINE_ENVIRONMENT=mine\nTWINE_THREADS=2\n")
    assert run("box-settings", given).returncode == 0
    lines = (tmp_path / "machine/machine.env").read_text().splitlines()
    assert lines == ["# from the role", 'MACHINE_ROLE="twine"', "TWINE_ENVIRONMENT=mine", "TWINE_THREADS=2"]
    assert (tmp_path / "calls").read_text().splitlines() == ["restart machine-config.service", "restart twine.service nginx.service"]
    assert "are those that were" in run("box-settings", given).stdout
    assert len((tmp_path / "calls").read_text().splitlines()) == 2


def test_settings_that_are_refused_change_nothing(run: Run, tmp_path: Path) -> None:
    before = (tmp_path / "machine/machine.env").read_text()
    (tmp_path / "refuse").touch()
    refused = run("box-settings", settings(tmp_path, "BROKEN\n"))
    assert refused.returncode == 1
    assert "machine-config refuses them" in refused.stderr
    assert (tmp_path / "machine/machine.env").read_text() == before
    assert [path.name for path in (tmp_path / "machine").iterdir()] == ["machine.env"]


def test_settings_that_are_not_there_are_told(run: Run) -> None:
    assert "is not there" in run("box-settings", "/nowhere").stderr
