"""The report of a story: a page for a person and a file for a program."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jinja2

from demo.load import Sample
from demo.plots import story_charts
from demo.timeline import Mark, seconds


@dataclass(frozen=True, slots=True)
class StepResult:
    """A step as it went: ``facts`` are measured, ``broken`` lists the conditions they do not bear out (empty: the step is true)."""

    name: str
    title: str
    proves: str
    seconds: float
    facts: dict[str, Any]
    broken: list[str]

    @property
    def ok(self) -> bool:
        """Whether every condition of the step holds."""
        return not self.broken


@dataclass(slots=True)
class Story:
    """All that was seen: the steps, the requests, the machines over time."""

    clock_factor: float
    begun: float
    url: str = ""
    steps: list[StepResult] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    counts: list[tuple[float, dict[str, int]]] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)

    def rollout_fact(self, name: str) -> Any:
        """A fact of the rollout step; None if there was no rollout."""
        return next((step.facts.get(name) for step in self.steps if step.name == "rollout"), None)


def write(story: Story, folder: Path) -> None:
    """Writes ``report.json`` and ``report.html`` into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    machine = {"cores": os.cpu_count(), "architecture": platform.machine(), "system": platform.platform()}
    data = {
        "steps": [
            {"name": step.name, "ok": step.ok, "seconds": round(step.seconds, 1), "facts": step.facts, "broken": step.broken} for step in story.steps
        ],
        "url": story.url,
        "requests": story.rollout_fact("requests"),
        "failed_requests": story.rollout_fact("failed_requests"),
        "clock_factor": story.clock_factor,
        "seconds": round(sum(step.seconds for step in story.steps), 1),
        "begun": datetime.fromtimestamp(story.begun, UTC).isoformat(timespec="seconds"),
        "machine": machine,
    }
    (folder / "report.json").write_text(json.dumps(data, indent=2, sort_keys=True, default=str) + "\n")
    (folder / "report.html").write_text(_page(story, data))


def _page(story: Story, data: dict[str, Any]) -> str:
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    environment = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    charts: list[str] = []
    begun = min((sample.at for sample in story.samples), default=story.begun)
    marks = [Mark(mark.at - begun, mark.says) for mark in story.marks]
    if story.samples:
        ended = max(sample.at for sample in story.samples) + 1
        charts = story_charts(seconds(story.samples, story.counts, begun, ended), marks)
    green = all(step.ok for step in story.steps)
    template = environment.get_template("report.html.j2")
    begun_at = datetime.fromtimestamp(story.begun, UTC)
    return template.render(story=story, data=data, begun=begun_at, charts=charts, marks=marks, green=green, minutes=_minutes, plain=_plain)


def _minutes(value: float) -> str:
    return f"{int(value) // 60} min {int(value) % 60:02d} s" if value >= 60 else f"{value:.1f} s"


def _plain(value: Any) -> str:
    """A fact as a person writes it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{name}: {_plain(inner)}" for name, inner in value.items()) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(_plain(inner) for inner in value) or "none"
    return str(value)
