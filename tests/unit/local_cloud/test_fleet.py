"""Who is launched where, who goes, and an instance refresh played through to its end."""

from __future__ import annotations

import dataclasses
import math

import pytest

from local_cloud.plugin import fleet
from local_cloud.plugin.fleet import Machine, Preferences, Step, Subnet

A, B = Subnet("subnet-a", "a"), Subnet("subnet-b", "b")


def machine(name: str, zone: str = "a", version: int = 1, launched: float = 0, *, ready: bool = True, protected: bool = False) -> Machine:
    return Machine(name, zone, version, launched, ready=ready, protected=protected)


@pytest.mark.parametrize(
    ("zones", "count", "expected"),
    [
        ([], 3, ["subnet-a", "subnet-b", "subnet-a"]),
        (["a"], 1, ["subnet-b"]),
        (["a", "a", "b"], 2, ["subnet-b", "subnet-a"]),
    ],
)
def test_spreads_over_zones(zones: list[str], count: int, expected: list[str]) -> None:
    assert fleet.spread([A, B], zones, count) == expected


@pytest.mark.parametrize(
    ("machines", "count", "expected"),
    [
        pytest.param([machine("1", "a"), machine("2", "b"), machine("3", "b")], 1, ["2"], id="from the fullest zone"),
        pytest.param([machine("1", version=2), machine("2", version=1)], 1, ["2"], id="the oldest template"),
        pytest.param([machine("1", launched=5), machine("2", launched=3)], 1, ["2"], id="the oldest machine"),
        pytest.param([machine("1"), machine("2", protected=True)], 2, ["1"], id="never a protected one"),
        pytest.param([machine("1", version=1), machine("2", version=2, ready=False)], 1, ["2"], id="first who does not serve"),
        pytest.param([machine("1", "a"), machine("2", "b"), machine("3", "a"), machine("4", "b")], 2, ["1", "2"], id="zones stay balanced"),
    ],
)
def test_chooses_victims(machines: list[Machine], count: int, expected: list[str]) -> None:
    assert fleet.victims(machines, count) == expected


def old(count: int) -> list[Machine]:
    return [machine(f"old{n}", launched=n) for n in range(count)]


def new(count: int, *, ready: bool = True) -> list[Machine]:
    return [machine(f"new{n}", version=2, launched=100 + n, ready=ready) for n in range(count)]


@pytest.mark.parametrize(
    ("desired", "machines", "preferences", "budget", "expected"),
    [
        pytest.param(2, old(2), Preferences(100, 150), 9, Step(1), id="launch first"),
        pytest.param(2, old(2) + new(1, ready=False), Preferences(100, 150), 9, Step(1), id="wait for it"),
        pytest.param(2, old(2) + new(1), Preferences(100, 150), 9, Step(1, ("old0",)), id="then one goes and the next may come"),
        pytest.param(2, old(1) + new(2), Preferences(100, 150), 9, Step(0, ("old0",)), id="the last one"),
        pytest.param(4, old(4), Preferences(100, 200), 9, Step(4), id="all at once"),
        pytest.param(5, old(5), Preferences(100, 110), 9, Step(1), id="ten percent of five is one"),
        pytest.param(1, old(1), Preferences(100, 110), 9, Step(1), id="one at a time is always allowed"),
        pytest.param(4, old(4), Preferences(50, 100), 9, Step(0, ("old0", "old1")), id="down to the floor"),
        pytest.param(4, old(2) + new(2, ready=False), Preferences(50, 100), 9, Step(0), id="not below it"),
        pytest.param(1, old(1), Preferences(90, 100), 9, Step(0, ("old0",)), id="terminate first: one at a time is always allowed"),
        pytest.param(2, old(1) + new(1, ready=False), Preferences(100, 100), 9, Step(0), id="but not while its successor comes up"),
        pytest.param(1, old(1), Preferences(0, 100), 9, Step(0, ("old0",)), id="no floor"),
        pytest.param(4, old(4), Preferences(100, 150), 1, Step(1), id="no more than the checkpoint allows"),
        pytest.param(4, old(4), Preferences(100, 150), 0, Step(0), id="at a checkpoint nothing moves"),
        pytest.param(
            2, [*old(1), machine("ill", ready=False), *new(1)], Preferences(100, 150), 9, Step(1, ("ill",)), id="who does not serve goes first"
        ),
        pytest.param(2, [machine("ill", ready=False), *old(1)], Preferences(100, 100), 9, Step(0, ("ill",)), id="and needs no floor"),
        pytest.param(6, old(4), Preferences(100, 150), 9, Step(3), id="scaled out meanwhile: room for the new capacity as well"),
    ],
)
def test_refresh_step(desired: int, machines: list[Machine], preferences: Preferences, budget: int, expected: Step) -> None:
    outdated = {m.id for m in machines if m.version == 1}

    assert fleet.refresh(desired, machines, outdated, preferences, budget) == expected


@pytest.mark.parametrize(
    "preferences", [Preferences(100, 110), Preferences(100, 200), Preferences(90, 100), Preferences(50, 150), Preferences(0, 100)]
)
@pytest.mark.parametrize("desired", [1, 2, 5, 9])
def test_refresh_ends_and_keeps_its_bounds(desired: int, preferences: Preferences) -> None:
    """A group in which every new machine serves one look after its launch."""
    machines, outdated = old(desired), {m.id for m in old(desired)}
    floor, ceiling = math.ceil(desired * preferences.minimum / 100), math.ceil(desired * preferences.maximum / 100)
    one_at_a_time = preferences.maximum == 100
    for look in range(10 * desired):
        step = fleet.refresh(desired, machines, outdated, preferences, len(machines))
        machines = [m for m in machines if m.id not in step.end]
        assert sum(m.ready for m in machines) >= (min(floor, desired - 1) if one_at_a_time else floor)
        machines = [dataclasses.replace(m, ready=True) for m in machines]
        launched = desired + step.extra - len(machines)
        machines += [machine(f"new{look}-{n}", version=2, launched=look, ready=False) for n in range(launched)]
        assert len(machines) <= max(ceiling, desired + (preferences.maximum > 100))
        if not any(m.id in outdated for m in machines) and all(m.ready for m in machines):
            break
    assert [m.version for m in machines] == [2] * desired


@pytest.mark.parametrize(("passed", "expected"), [(0, 2), (1, 4), (2, 7)])
def test_checkpoints(passed: int, expected: int) -> None:
    assert fleet.allowed_by_checkpoint(7, passed, [20, 50]) == expected
