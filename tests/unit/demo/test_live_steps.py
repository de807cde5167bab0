"""The rollout's proof is asked for in the right order: room before it begins, acknowledged claims before the database."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from demo import build_steps, estate, live_steps
from demo.estate import Estate, Machine
from demo.load import Load, Sample, User
from demo.playbook import Playbooks, StepFailed
from demo.verdict import broken
from demo.world import World

LARGEST = 5


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class Group:
    """The estate as the rollout asks for it: a group whose size is a function of the seconds since it began to be watched."""

    clock: Clock
    load: Load
    size: Callable[[float], int]
    generation: str = "old"
    stored: set[str] = field(default_factory=set)
    late: str = ""

    def __post_init__(self) -> None:
        self.begun = self.clock.now

    def machines(self) -> int:
        return self.size(self.clock.now - self.begun)

    def group(self, _environment: str) -> dict[str, Any]:
        return {"DesiredCapacity": self.machines(), "MaxSize": LARGEST, "MinSize": 2}

    def serving(self, _environment: str) -> list[Machine]:
        return [Machine(f"i-{self.generation}-{number}", "image", "10.0.0.1", True) for number in range(self.machines())]

    def activities(self, _environment: str, since: float) -> list[dict[str, Any]]:
        times = {"StartTime": datetime.fromtimestamp(since, UTC), "EndTime": datetime.fromtimestamp(self.clock.now, UTC)}
        return [{**times, "Cause": "a monitor alarm TargetTracking in state ALARM triggered policy"}]

    def sql(self, _environment: str, _statement: str) -> list[list[str]]:
        rows = [[reference, "1"] for reference in sorted(self.stored)]
        if self.late:
            # A user files on while the database answers: stored after the look, acknowledged before anything else happens.
            self.stored.add(self.late)
            self.load.acknowledged.add(self.late)
        return rows


class Recorder:
    """Stands for the playbooks: notes what ran, and how the group was at that moment."""

    def __init__(self, group: Group) -> None:
        self.group = group
        self.ran: list[tuple[str, int]] = []

    def run(self, name: str, **_variables: Any) -> str:
        self.ran.append((name, self.group.machines()))
        if name == "roll_out":
            self.group.clock.sleep(20)
            self.group.generation = "new"
        return ""


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Clock:
    """A clock of their own for the steps, and nothing to build."""
    clock = Clock()
    for module in (live_steps, estate):
        monkeypatch.setattr(module, "time", clock)
    for step in ("packages", "repository", "images"):
        monkeypatch.setattr(build_steps, step, lambda *_words: ({}, ""))
    monkeypatch.setattr(live_steps, "BUILD", tmp_path)
    (tmp_path / "releases").mkdir()
    (tmp_path / "releases" / "snapshot.json").write_text(json.dumps({"packages": {"twine": {"version": "1.0.0-1"}}}))
    return clock


def world_of(clock: Clock, size: Callable[[float], int]) -> tuple[World, Group, Recorder]:
    load = Load("http://127.0.0.1:9", "run")
    group = Group(clock, load, size)
    playbooks = Recorder(group)
    return World(cast(Playbooks, playbooks), cast(Estate, group), run="run", load=load), group, playbooks


def answered(clock: Clock, version: str) -> Sample:
    return Sample(clock.now, 0.05, "client-2", "file", 201, True, False, version, "")


def grown_at_boot(seconds: float) -> int:
    """Four machines because of the bustle of their boot, two on the calm day after it, four again when the rush has begun."""
    return 4 if seconds < 90 or seconds > 110 else 2


def test_a_rush_begins_on_a_calm_day(clock: Clock) -> None:
    world, _group, _playbooks = world_of(clock, grown_at_boot)
    world.users = [User("client-1", "a@client-1.example", "", ""), User("client-2", "a@client-2.example", "", "")]
    facts, _told = live_steps.spike(world)
    assert (facts["machines_before"], facts["machines_after"]) == (2, 4)


def test_a_group_that_stays_large_has_no_calm_day(clock: Clock) -> None:
    world, _group, _playbooks = world_of(clock, lambda _seconds: 4)
    with pytest.raises(StepFailed, match="Failed to see the group at its smallest, as on a calm day within 240 s"):
        live_steps.spike(world)


def grown_and_back(seconds: float) -> int:
    """Two machines; a busy day's load takes the group to its maximum; then it finds its size, which leaves room."""
    if seconds < 10:
        return 2
    return LARGEST if seconds < 60 else 4


def test_a_rollout_begins_when_the_group_has_grown_and_has_head_room(clock: Clock) -> None:
    world, group, playbooks = world_of(clock, grown_and_back)
    group.load.samples.append(answered(clock, "1.0.0"))
    live_steps.rollout(world)
    assert [name for name, _machines in playbooks.ran] == ["deploy", "promote", "roll_out"]
    machines = playbooks.ran[-1][1]
    assert live_steps.ROLLOUT_MACHINES <= machines < LARGEST


@pytest.mark.parametrize(
    ("size", "what"),
    [
        (lambda seconds: LARGEST if seconds > 10 else 2, "head-room in the group"),
        (lambda _seconds: 2, "the group grown to a busy day's load"),
    ],
)
def test_without_them_nothing_is_rolled_out(clock: Clock, size: Callable[[float], int], what: str) -> None:
    world, _group, playbooks = world_of(clock, size)
    with pytest.raises(StepFailed, match=what):
        live_steps.rollout(world)
    assert "roll_out" not in [name for name, _machines in playbooks.ran]


def proven(clock: Clock, stored: set[str], acknowledged: set[str], late: str = "") -> tuple[dict[str, Any], list[str]]:
    """The rollout's facts, and which of the sentences about claims they do not bear out."""
    world, group, _playbooks = world_of(clock, lambda _seconds: 4)
    group.load.samples.append(answered(clock, "1.0.0"))
    group.load.acknowledged |= acknowledged
    group.stored, group.late = stored, late
    facts, _says = live_steps.rollout(world)
    return facts, [sentence for sentence in broken("rollout", facts) if "claim" in sentence and "filed" not in sentence]


def test_a_claim_acknowledged_after_the_look_at_the_database_is_not_missed(clock: Clock) -> None:
    facts, false = proven(clock, {"run-1"}, {"run-1"}, late="run-2")
    assert (facts["acknowledged"], facts["stored_once"]) == (1, 1)
    assert not false


def test_a_claim_stored_but_not_yet_acknowledged_is_no_fault(clock: Clock) -> None:
    assert not proven(clock, {"run-1", "run-2"}, {"run-1"})[1]


def test_an_acknowledged_claim_that_the_database_lacks_is_a_fault(clock: Clock) -> None:
    assert proven(clock, {"run-1"}, {"run-1", "run-2"})[1] == ["every acknowledged claim is in the database exactly once"]


@pytest.mark.parametrize(("version", "after"), [("1.0.9", "1.0.10"), ("2026.1.0", "2026.1.1")])
def test_the_next_version_counts_by_number(version: str, after: str) -> None:
    assert live_steps.next_version(version) == after
