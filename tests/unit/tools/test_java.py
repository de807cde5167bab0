from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tools import checkout, java


def program(folder: Path, name: str, says: str, code: int = 0) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\necho '{says}'\nexit {code}\n")
    (folder / name).chmod(0o755)


@pytest.mark.parametrize(
    ("java_says", "maven_code", "fits"),
    [
        ("openjdk 17.0.15 2025-04-15", 0, True),
        ("openjdk 11.0.2 2019-01-15", 0, True),
        ("openjdk 21.0.1 2023-10-17", 0, False),
        ("openjdk 8.0.1", 0, False),
        ("openjdk 17.0.15 2025-04-15", 1, False),
        ("nothing", 0, False),
    ],
)
def test_java_is_used_where_groovy_runs_on_it(java_says: str, maven_code: int, fits: bool, tmp_path: Path) -> None:
    program(tmp_path, "java", java_says)
    program(tmp_path, "mvn", "Apache Maven 3.8.7", maven_code)

    assert java.fit(tmp_path / "java", tmp_path / "mvn") is fits


def test_our_own_container_is_not_taken_for_what_is_on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("ours", "theirs"):
        program(tmp_path / folder, "java", "openjdk 17.0.15 2025-04-15")
    monkeypatch.setattr(checkout, "BINARIES", tmp_path / "ours")
    monkeypatch.setenv("PATH", f"{tmp_path / 'ours'}:{tmp_path / 'theirs'}")

    assert java.located() == [tmp_path / "theirs" / "java"]


def test_the_program_passes_its_words_and_its_folder_on(tmp_path: Path) -> None:
    program(tmp_path / "bin", "docker", "")
    (tmp_path / "bin" / "docker").write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    written = java.write("mvn", "an image", tmp_path / "ours")

    env = {**os.environ, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "HOME": "/home/a b"}
    words = subprocess.run([str(written), "one word", "$two"], cwd=tmp_path, env=env, capture_output=True, text=True, check=True).stdout.splitlines()

    assert words[:2] == ["run", "--rm"] and words[-4:] == ["an image", "mvn", "one word", "$two"]
    assert words[words.index("--workdir") + 1] == str(tmp_path)
    assert "/home/a b/.m2:/home/a b/.m2" in words and f"{checkout.ROOT}:{checkout.ROOT}" in words
