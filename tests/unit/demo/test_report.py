"""The report says what was measured, to a person and to a program."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from demo.load import Sample
from demo.plots import Line as PlotLine
from demo.plots import chart, nice_top, story_charts, time_step
from demo.report import StepResult, Story, write
from demo.timeline import Mark, seconds


def sample(at: float, ok: bool = True, deferred: bool = False) -> Sample:
    return Sample(at, 0.05, "client-1", "file", 201 if ok else 500, ok, deferred, "1.0.0", "" if ok else "status 500 instead of 201")


def story(broken: list[str]) -> Story:
    facts = {"requests": 2345, "failed_requests": 1 if broken else 0, "note": "<script>"}
    step = StepResult("rollout", "A release rolls out", "No user notices.", 12.34, facts, broken)
    return Story(
        10,
        1_800_000_000,
        "http://127.0.0.1:20010",
        [step],
        [sample(100.0 + second / 4) for second in range(40)],
        [(101.0, {"1.0.0": 2})],
        [Mark(104.0, "a kill")],
    )


def test_the_program_reads_what_the_issue_of_a_run_was(tmp_path: Path) -> None:
    write(story([]), tmp_path)
    data = json.loads((tmp_path / "report.json").read_text())
    assert data["steps"][0]["name"] == "rollout" and data["steps"][0]["ok"] is True and data["steps"][0]["seconds"] == 12.3
    assert (data["requests"], data["failed_requests"], data["clock_factor"], data["url"]) == (2345, 0, 10, "http://127.0.0.1:20010")


def test_a_broken_step_is_red_in_both(tmp_path: Path) -> None:
    write(story(["no request failed"]), tmp_path)
    assert json.loads((tmp_path / "report.json").read_text())["steps"][0]["ok"] is False
    page = (tmp_path / "report.html").read_text()
    assert "not every step is true" in page and "Not true: no request failed" in page


def test_a_step_that_could_not_be_done_says_why_line_by_line(tmp_path: Path) -> None:
    write(story(["Failed to run a.yml: it ended with 2.\nfatal: no"]), tmp_path)
    assert '<p class="no">Failed to run a.yml: it ended with 2.\nfatal: no</p>' in (tmp_path / "report.html").read_text()


def test_the_page_needs_nothing_from_elsewhere_and_escapes_facts(tmp_path: Path) -> None:
    write(story([]), tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert "every step is true" in page and "<script>" not in page
    assert "src=" not in page and "stylesheet" not in page


def test_facts_are_written_as_a_person_writes_them(tmp_path: Path) -> None:
    told = story([])
    told.steps[0].facts.update(refused=True, packages=["a.deb", "b.deb"], keys={"twine": "0123"}, reasons={})
    write(told, tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert all(f"<dd>{text}</dd>" in page for text in ("yes", "a.deb, b.deb", "twine: 0123", "none"))


def test_a_story_that_ended_early_has_a_report(tmp_path: Path) -> None:
    write(Story(10, 1_800_000_000), tmp_path)
    assert json.loads((tmp_path / "report.json").read_text())["failed_requests"] is None
    assert "the story ended before anybody used the application" in (tmp_path / "report.html").read_text()


def test_seconds_count_what_started_in_them_and_carry_machines_on() -> None:
    rows = seconds([sample(10.1), sample(10.9, ok=False), sample(12.0, ok=False, deferred=True)], [(9.0, {"1": 1}), (11.5, {"1": 2})], 10.0, 13.0)
    assert [(row.requests, row.failed, row.deferred) for row in rows] == [(2, 1, 0), (0, 0, 0), (1, 0, 1)]
    assert [row.machines for row in rows] == [{"1": 1}, {"1": 2}, {"1": 2}]


@pytest.mark.parametrize(("highest", "top"), [(0, 1), (0.7, 1), (1, 1), (3, 5), (5, 5), (6, 10), (130, 200), (240, 250), (999, 1000)])
def test_a_scale_ends_at_a_number_a_person_reads(highest: float, top: float) -> None:
    assert nice_top(highest) == pytest.approx(top)


def test_a_chart_is_well_formed_and_higher_values_are_drawn_higher() -> None:
    drawn = chart("Load", "requests", [PlotLine("n", "asked", [0.0, 10.0])], [Mark(1, "a & b")])
    svg = ElementTree.fromstring(drawn[drawn.index("<svg") : drawn.index("</svg>") + 6])
    line = next(node for node in svg.iter() if node.tag == "polyline")
    low, high = (float(point.split(",")[1]) for point in line.attrib["points"].split())
    assert high < low


@pytest.mark.parametrize(("seconds_", "step"), [(1, 1), (40, 5), (306, 60), (600, 60), (601, 120), (7000, 1800)])
def test_the_axis_of_time_counts_as_a_clock_does(seconds_: int, step: int) -> None:
    assert time_step(seconds_) == step


@pytest.mark.parametrize(("highest", "labels"), [(5.0, "0 1 2 3 4 5"), (200.0, "0 100 200"), (250.0, "0 50 100 150 200 250"), (1.0, "0 0.5 1")])
def test_a_scale_is_labelled_in_whole_parts(highest: float, labels: str) -> None:
    drawn = chart("Load", "requests", [PlotLine("n", "asked", [0.0, highest])], [])
    assert re.findall(r'text-anchor="end">([\d.]+)<', drawn) == labels.split()


def test_numbers_of_marks_do_not_lie_on_each_other() -> None:
    drawn = chart("Load", "requests", [PlotLine("n", "asked", [0.0] * 300)], [Mark(at, "a") for at in (7.0, 11.0, 222.0, 223.0)])
    places = [float(x) for x in re.findall(r'<circle cx="([\d.]+)"', drawn)]
    assert all(after - before > 16 for before, after in itertools.pairwise(places))


def test_machines_of_two_releases_are_stacked() -> None:
    rows = seconds([], [(10.0, {"1.0.0": 2, "1.0.1": 3})], 10.0, 12.0)
    assert len(story_charts(rows, [])) == 3
    assert "release 1.0.1" in story_charts(rows, [])[1]
