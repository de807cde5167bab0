from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tools import checkout, lint, source


@pytest.fixture
def names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(lint, "STATE", tmp_path / "state")
    monkeypatch.setattr(checkout, "ROOT", tmp_path)
    monkeypatch.setattr(source.fingerprint, "__defaults__", (tmp_path,))
    (tmp_path / "a.txt").write_text("fine")
    return ["a.txt"]


def linter(script: str) -> lint.Linter:
    return lint.Linter("words", lambda name: name.endswith(".txt"), lambda _names: [[sys.executable, "-c", script]], 1)


FINE = linter("assert 'fine' in open('a.txt').read(), 'not fine'")


def test_what_passed_is_not_run_again_until_a_file_changes(names: list[str], tmp_path: Path) -> None:
    assert not lint.check(FINE, names, again=False).note
    assert "unchanged" in lint.check(FINE, names, again=False).note
    assert not lint.check(FINE, names, again=True).note

    (tmp_path / "a.txt").write_text("bad")

    found = lint.check(FINE, names, again=False)
    assert not found.ok
    assert "not fine" in found.output


def test_what_failed_is_run_again(names: list[str]) -> None:
    bad = linter("raise SystemExit('bad')")

    assert not lint.check(bad, names, again=False).ok
    assert not lint.check(bad, names, again=False).ok


def test_with_nothing_to_read_it_says_so(names: list[str]) -> None:
    assert lint.check(FINE, ["b.py"], again=False).note == "nothing to read yet"


def test_an_unknown_linter_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        lint.main(["fly"])
    assert "Failed to find fly. Choose from sanity" in capsys.readouterr().err
