"""The record of a boot."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from twine_machine.stages import Stages


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """A /proc whose first process began ten seconds ago and whose own began four seconds ago."""
    ticks, uptime = os.sysconf("SC_CLK_TCK"), time.clock_gettime(time.CLOCK_BOOTTIME)
    for name, ago in (("1", 10), ("self", 4)):
        (tmp_path / name).mkdir()
        fields = " ".join(["S", *["0"] * 18, str(int((uptime - ago) * ticks)), "0"])
        (tmp_path / name / "stat").write_text(f"1 (a (strange) name) {fields}\n")
    return tmp_path


@pytest.mark.parametrize("container", [True, False])
def test_a_machine_begins_with_its_kernel_and_a_container_with_its_first_process(proc: Path, tmp_path: Path, container: bool) -> None:
    path = tmp_path / "boot.json"
    stages = Stages(path, proc, container)
    stages.reach("now")

    stages.save()

    found = json.loads(path.read_text())["stages"]
    assert ("kernel" in found) is not container
    assert found["network"] - found["init"] == pytest.approx(6, abs=0.05)
    assert (found["now"] == pytest.approx(10, abs=0.1)) is container
