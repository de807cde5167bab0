"""What a machine of the baked image says of itself when it serves: on the estate that the story leaves."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from demo.world import World

FILES = 300
"""An answer of the application reads more files than this."""


@pytest.fixture(scope="module")
def machine(world: World) -> str:
    return world.estate.serving(world.environment)[0].id


def read(world: World, machine: str, path: str) -> dict[str, Any]:
    code, output = world.estate.run(machine, "cat", path)
    assert code == 0, output
    found: dict[str, Any] = json.loads(output)
    return found


def test_all_that_the_rehearsal_has_read_is_there_to_be_read_ahead(world: World, machine: str) -> None:
    """The unit itself is for virtual machines: the kernel that reads is the host's here."""
    recorded = read(world, machine, "/usr/lib/twine-machine/warm.json")["files"]
    code, said = world.estate.run(machine, "machine-config", "read-ahead")
    found = re.search(r"reading ahead (\d+) files, (\d+) KiB", said)

    assert code == 0 and found, said
    assert int(found[1]) == len(recorded) > FILES and int(found[2]) > FILES


def test_its_boot_is_stamped_and_its_first_requests_hit(world: World, machine: str) -> None:
    record = read(world, machine, "/run/machine/boot.json")
    reached = ["init", "network", "machine_config_begin", "metadata", "secrets", "machine_config_end", "ready", "first_good_answer"]

    assert [record["stages"][stage] for stage in reached] == sorted(record["stages"][stage] for stage in reached)
    assert (record["outcome"], record["hit_rate"]) == ("configured", 1.0)
    assert record["units"]["twine.service"]["seconds"] > 0
