"""Which images may follow which."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.twine.platform.plugins.module_utils._images.boot_record import objections

GOOD: dict[str, Any] = {
    "format": 1,
    "container": True,
    "outcome": "configured",
    "ready": True,
    "hit_rate": 1.0,
    "stages": {"machine_config_end": 1.0, "started": 3.0, "ready": 4.0, "first_good_answer": 4.1},
    "units": {"twine.service": {"state": "active", "seconds": 3.0}},
}


def changed(stages: dict[str, float] | None = None, **facts: Any) -> dict[str, Any]:
    return {**GOOD, **facts, "stages": {**GOOD["stages"], **(stages or {})}}


@pytest.mark.parametrize(
    ("record", "before"),
    [
        (GOOD, {}),
        (GOOD, GOOD),
        (changed({"ready": 4.9}), GOOD),
        (changed({"machine_config_end": 1.9}), GOOD),
        (changed({"ready": 40.0}), {**GOOD, "container": False}),
    ],
    ids=["first of all", "the same", "a little slower", "short anyway", "other kind"],
)
def test_a_good_image_may_follow(record: dict[str, Any], before: dict[str, Any]) -> None:
    assert objections(record, before) == []


@pytest.mark.parametrize(
    ("record", "told"),
    [
        ({}, "no boot record"),
        (changed(outcome="failed", error="no user data"), "could not configure itself: no user data"),
        (changed(ready=False), "did not become ready"),
        ({**GOOD, "stages": {"started": 3.0, "ready": 4.0}}, "no good one"),
        (changed(units={"nginx.service": {"state": "failed"}}), "nginx.service failed"),
        (changed(hit_rate=0.5), "caches were cold: 50%"),
        (changed({"ready": 6.0}), "reached ready after 6.0 s, its predecessor after 4.0 s"),
        ({**GOOD, "ready": None, "stages": {"started": 3.0}}, "did not reach ready"),
    ],
)
def test_a_worse_image_may_not(record: dict[str, Any], told: str) -> None:
    assert any(told in one for one in objections(record, GOOD))


def test_the_tolerance_is_the_callers() -> None:
    assert objections(changed({"ready": 6.0}), GOOD, tolerance=2.0) == []
