"""Plots of the story as SVG that needs nothing from anywhere else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from demo.timeline import Mark, Second

WIDTH, LEFT, RIGHT, TOP, BOTTOM = 960, 52, 12, 14, 24
INNER = WIDTH - LEFT - RIGHT
RADIUS = 8


@dataclass(frozen=True, slots=True)
class Line:
    """One series: a value a second, drawn as a line or, if ``filled``, as an area; ``css`` names its class."""

    name: str
    css: str
    values: Sequence[float]
    filled: bool = False


def nice_top(highest: float) -> float:
    """The smallest of 1, 2, 2.5, 5 × a power of ten that is at least ``highest``: a scale a person can read."""
    if highest <= 0:
        return 1.0
    power = 1.0
    while power * 10 <= highest:
        power *= 10
    while power > highest:
        power /= 10
    return next(step * power for step in (1, 2, 2.5, 5, 10) if step * power >= highest)


def chart(title: str, unit: str, lines: Sequence[Line], marks: Sequence[Mark], height: int = 170) -> str:
    """An SVG of ``lines`` over the same seconds, with ``marks`` (their ``at`` in seconds from the beginning) as upright lines."""
    count = max((len(line.values) for line in lines), default=1)
    top = nice_top(max((value for line in lines for value in line.values), default=1.0))
    inner = height - TOP - BOTTOM
    x = [LEFT + INNER * place / max(1, count - 1) for place in range(count)]
    parts = [f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title)}">']
    for share in _shares(top):
        y = TOP + inner * (1 - share)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{top * share:g}</text>')
    for line in lines:
        points = " ".join(f"{x[place]:.1f},{TOP + inner * (1 - min(value, top) / top):.1f}" for place, value in enumerate(line.values))
        if line.filled:
            parts.append(f'<polygon class="{line.css}" points="{LEFT},{TOP + inner} {points} {x[len(line.values) - 1]:.1f},{TOP + inner}"/>')
        else:
            parts.append(f'<polyline class="{line.css}" points="{points}"/>')
    parts += _marks(marks, count, inner)
    for at in range(0, count, time_step(count)):
        parts.append(f'<text class="tick" x="{x[at]:.1f}" y="{height - 6}" text-anchor="middle">{at // 60}:{at % 60:02d}</text>')
    parts.append("</svg>")
    legend = "".join(f'<span class="key {line.css}">{escape(line.name)}</span>' for line in lines)
    caption = f"<figcaption><b>{escape(title)}</b> <small>{escape(unit)}</small>{legend}</figcaption>"
    return f'<figure>{caption}<div class="plot">{"".join(parts)}</div></figure>'


def _shares(top: float) -> list[float]:
    """Where a scale up to ``top`` has its lines: at whole parts a person reads, fifths of 5 and 2.5, halves of 1 and 2."""
    parts = 2 if f"{top:e}".startswith(("1", "2.0")) else 5
    return [part / parts for part in range(parts + 1)]


def time_step(count: int, most: int = 10) -> int:
    """Seconds from one label of the axis of time to the next: as on a clock, and ``most`` labels at the most."""
    return next((step for step in (1, 5, 15, 30, 60, 120, 300, 600) if count <= step * most), 1800)


def _marks(marks: Sequence[Mark], count: int, inner: int) -> list[str]:
    """Upright lines with their numbers; a number that would lie on the one before stands beside it."""
    parts, taken = [], 0.0
    for number, mark in enumerate(marks, 1):
        x = LEFT + INNER * min(1.0, max(0.0, mark.at / max(1, count - 1)))
        taken = max(x, taken + 2 * RADIUS + 1 if number > 1 else x)
        parts.append(
            f'<g class="mark"><title>{escape(mark.says)}</title><line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{TOP + inner}"/>'
            f'<circle cx="{taken:.1f}" cy="{TOP}" r="{RADIUS}"/><text x="{taken:.1f}" y="{TOP + 4}" text-anchor="middle">{number}</text></g>'
        )
    return parts


def machine_lines(rows: Sequence[Second], releases: Sequence[str]) -> list[Line]:
    """Serving machines as areas, one a release, stacked: the newest release is drawn on top of the older ones."""
    stacked = [0.0] * len(rows)
    lines = []
    for number, release in enumerate(releases):
        stacked = [below + row.machines.get(release, 0) for below, row in zip(stacked, rows, strict=True)]
        lines.append(Line(f"release {release}", f"release{number % 2}", stacked, filled=True))
    return lines[::-1]


def story_charts(rows: Sequence[Second], marks: Sequence[Mark]) -> list[str]:
    """The three plots of the report, over one axis of time: load, machines, latency."""
    releases = sorted({release for row in rows for release in row.machines})
    load = [
        Line("requests", "asked", [float(row.requests) for row in rows], filled=True),
        Line("asked to wait (429, the rushing client only)", "deferred", [float(row.deferred) for row in rows]),
        Line("failed", "failed", [float(row.failed) for row in rows]),
    ]
    latency = [
        Line("99 of 100 answered within", "p99", [row.p99_ms for row in rows]),
        Line("half answered within", "p50", [row.p50_ms for row in rows]),
    ]
    return [
        chart("Load", "requests per second", load, marks),
        chart("Machines serving", "in prod's group", machine_lines(rows, releases), marks, height=130),
        chart("Latency", "milliseconds", latency, marks),
    ]
