from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tools import checkout

SCRIPT = checkout.ROOT / "tools" / "find_python"


def find(home: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {"PATH": f"{home}/bin:/usr/bin:/bin", "HOME": str(home), "PYENV_ROOT": f"{home}/pyenv", **environment}
    return subprocess.run([str(SCRIPT)], env=env, capture_output=True, text=True, check=False)


def program(path: Path, version: int, status: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho {version}\nexit {status}\n")
    path.chmod(0o755)
    return path


def test_a_shim_that_exits_127_is_passed_over(tmp_path: Path) -> None:
    program(tmp_path / "bin" / "python3.14", 3014, status=127)
    good = program(tmp_path / "bin" / "python3.13", 3013)

    assert find(tmp_path).stdout.strip() == str(good)


def test_versions_under_pyenv_count_and_the_newest_wins(tmp_path: Path) -> None:
    program(tmp_path / "bin" / "python3.12", 3012)
    good = program(tmp_path / "pyenv" / "versions" / "3.13.0" / "bin" / "python3", 3013)

    assert find(tmp_path).stdout.strip() == str(good)


def test_a_persons_choice_wins(tmp_path: Path) -> None:
    program(tmp_path / "bin" / "python3.13", 3013)

    assert find(tmp_path, TWINE_PYTHON=sys.executable).stdout.strip() == sys.executable


def test_with_none_new_enough_it_says_what_to_do(tmp_path: Path) -> None:
    program(tmp_path / "bin" / "python3", 3011)
    program(tmp_path / "bin" / "python3.12", 3012, status=127)
    program(tmp_path / "bin" / "python3.13", 3013, status=127)

    found = find(tmp_path, PATH=f"{tmp_path}/bin")

    assert found.returncode == 1
    assert "is 3.12 or newer" in found.stderr
