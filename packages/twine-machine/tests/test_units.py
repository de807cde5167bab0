"""What the units ask of systemd can be had."""

from __future__ import annotations

from pathlib import Path

import pytest

DEBIAN = Path(__file__).parent.parent / "debian"
# Units of these kinds are ordered before basic.target (systemd.path(5), systemd.socket(5)), and every service is after that.
EARLY = [*DEBIAN.glob("*.path"), *DEBIAN.glob("*.socket")]


@pytest.mark.parametrize("unit", EARLY, ids=lambda unit: str(unit.name))
def test_what_is_up_before_any_service_waits_for_none(unit: Path) -> None:
    # Else systemd breaks the circle by not starting one of the units in it, another one at every boot.
    lines = unit.read_text().splitlines()
    assert not [line for line in lines if line.startswith("After=") and ".service" in line]


def test_there_is_such_a_unit() -> None:
    assert EARLY
