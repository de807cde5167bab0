"""Which scenarios run, and in which order."""

from __future__ import annotations

from tools import checkout, molecule


def test_every_scenario_runs_once_and_the_longest_begin() -> None:
    names = molecule.scenarios()
    assert tuple(names[: len(molecule.LONGEST)]) == molecule.LONGEST
    folders = {path.parent.name for path in (checkout.ROOT / "molecule").glob("*/molecule.yml")}
    assert sorted(names) == sorted(folders - {molecule.SHARED})


def test_all_of_them_are_named_to_two_workers() -> None:
    command = molecule.command([])
    assert command[-2:] == ["--workers", "2"]
    assert command.count("--scenario-name") == len(molecule.scenarios())


def test_one_that_is_named_runs_alone() -> None:
    assert molecule.command(["redis"])[-2:] == ["--scenario-name", "redis"]
