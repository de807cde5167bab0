"""A bar is met or missed, and results of other rows stay."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.benchmarks.__main__ import main
from tests.benchmarks.rows import Row, record
from tests.support import debian, small_debs


@pytest.mark.parametrize(
    ("value", "least", "met"), [(4.9, False, True), (5.0, False, True), (5.1, False, False), (4.9, True, False), (5.0, True, True)]
)
def test_a_bar_is_met_or_missed(value: float, least: bool, met: bool) -> None:
    row = Row("P0", "something", value, 5.0, "s", least=least)
    assert row.met is met
    assert ("ok" in row.line()) is met


def test_results_keep_other_rows(tmp_path: Path) -> None:
    path = tmp_path / "bench" / "results.json"
    record([Row("P1", "one", 1.0, 2.0, "s"), Row("P2", "two", 3.0, 2.0, "s")], path)
    record([Row("P1", "one", 1.5, 2.0, "s", "by hand: 1.0 s")], path)
    assert json.loads(path.read_text()) == {
        "P1": {"value": 1.5, "bar": 2.0, "unit": "s", "met": True, "peer": "by hand: 1.0 s"},
        "P2": {"value": 3.0, "bar": 2.0, "unit": "s", "met": False, "peer": ""},
    }


def test_an_unknown_benchmark_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nothing"]) == 2
    assert "Failed to measure nothing: there is no such benchmark. Take one of: converge, peer, " in capsys.readouterr().err


def test_written_packages_are_packages(tmp_path: Path) -> None:
    deb = small_debs.write(tmp_path, "one", "2.0-1")
    file = str(tmp_path / deb.file_name)
    assert debian.run("dpkg-deb", "--field", file, "Package", "Version") == "Package: one\nVersion: 2.0-1\n"
    assert "./usr/share/doc/one/version" in debian.run("dpkg-deb", "--contents", file)
