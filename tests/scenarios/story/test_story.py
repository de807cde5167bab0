"""The way from packages to a machine that is killed under load, told once, on the real thing; every fact is judged."""

from __future__ import annotations

from typing import Any

import pytest

from demo.verdict import CONDITIONS, broken
from tests.scenarios.story.conftest import STEPS


def test_the_story_was_told(report: dict[str, Any]) -> None:
    assert report["code"] == 0, report["output"]
    assert [step["name"] for step in report["steps"]] == STEPS


@pytest.mark.parametrize("name", STEPS)
def test_a_step_is_true(report: dict[str, Any], name: str) -> None:
    facts = next((step["facts"] for step in report["steps"] if step["name"] == name), {})
    assert CONDITIONS[name] and broken(name, facts) == [], facts
