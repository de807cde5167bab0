from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tools import checkout, work


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "STATE", tmp_path / "state")
    monkeypatch.setattr(work, "LOGS", tmp_path / "logs")
    monkeypatch.setattr(checkout, "ROOT", tmp_path)


def stamped(tmp_path: Path) -> tuple[Path, work.Stamp]:
    output = tmp_path / "program"
    output.write_text("works")
    stamp = work.Stamp("program", "1.0", [output])
    stamp.write()
    return output, stamp


def test_a_stamp_is_fresh_while_nothing_moved(tmp_path: Path) -> None:
    output, _stamp = stamped(tmp_path)

    assert work.Stamp("program", "1.0", [output]).fresh()


def test_another_pin_makes_it_stale(tmp_path: Path) -> None:
    output, _stamp = stamped(tmp_path)

    assert not work.Stamp("program", "1.1", [output]).fresh()


@pytest.mark.parametrize("harm", [Path.unlink, lambda path: path.write_text("cut")])
def test_a_lost_or_changed_output_makes_it_stale(harm: object, tmp_path: Path) -> None:
    output, stamp = stamped(tmp_path)
    assert callable(harm)
    harm(output)

    assert not stamp.fresh()


def test_a_stamp_that_cannot_be_read_is_stale(tmp_path: Path) -> None:
    _output, stamp = stamped(tmp_path)
    stamp.path.write_text("{")

    assert not stamp.fresh()


def test_a_failed_command_says_its_last_line_where_all_is_and_what_to_do() -> None:
    with pytest.raises(work.Failed, match=r"^Failed to fly: no wings \(all of it in logs/fly\.log\)\. Grow some\.$"):
        work.run("fly", [sys.executable, "-c", "print('no wings'); raise SystemExit(3)"], log="fly", remedy="Grow some.")


def test_a_missing_command_is_one_sentence() -> None:
    with pytest.raises(work.Failed, match=r"^Failed to fly: No such file or directory \(/no/wings\)\. Grow some\.$"):
        work.run("fly", ["/no/wings"], log="fly", remedy="Grow some.")


@pytest.mark.parametrize(
    ("printed", "version"),
    [
        ("Packer v1.11.2", (1, 11, 2)),
        ("go version go1.26.8 linux/amd64", (1, 26, 8)),
        ("aptly version: 1.6.3", (1, 6, 3)),
        ("Python 3.13.0", (3, 13, 0)),
        ("1.5.0+ds1-1", ()),
    ],
)
def test_versions_are_read_from_what_programs_print(printed: str, version: tuple[int, ...]) -> None:
    assert work.version_of([sys.executable, "-c", f"print({printed!r})"]) == version


def test_a_program_that_does_not_run_has_no_version() -> None:
    assert work.version_of([sys.executable, "-c", "print('1.2.3'); raise SystemExit(127)"]) == ()
