"""What systemd-analyze says is read whatever its units."""

from __future__ import annotations

import pytest

from tests.benchmarks.boot import seconds_of
from tests.benchmarks.machines import BenchmarkError


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("Startup finished in 712ms (userspace)\ngraphical.target reached after 700ms in userspace.", 0.712),
        ("Startup finished in 3.402s (userspace) ", 3.402),
        ("Startup finished in 1min 2.5s (userspace)", 62.5),
        ("Startup finished in 1.5s (kernel) + 2.25s (userspace) = 3.750s", 3.75),
    ],
)
def test_seconds_are_read(said: str, seconds: float) -> None:
    assert seconds_of(said) == pytest.approx(seconds)


def test_a_boot_that_has_not_ended_is_refused() -> None:
    with pytest.raises(BenchmarkError, match="Failed to read what systemd-analyze says: Bootup is not yet finished"):
        seconds_of("Bootup is not yet finished. Please try again later.")
