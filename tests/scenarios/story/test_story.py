"""The way from packages to a machine that is killed under load, told once, on the real thing; every fact is judged."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from demo.verdict import CONDITIONS, broken
from tools import checkout

STEPS = ["packages", "repository", "images", "stacks", "serving", "only_way_in", "kill"]


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What ``python -m demo --until kill`` wrote, beside the report of a whole story; its own exit code is checked by the first test."""
    folder = tmp_path_factory.mktemp("story")
    words = [sys.executable, "-m", "demo", "--until", STEPS[-1], "--report", str(folder)]
    done = subprocess.run(words, cwd=checkout.ROOT, capture_output=True, text=True, check=False)
    told: dict[str, Any] = json.loads((folder / "report.json").read_text())
    return told | {"code": done.returncode, "output": done.stdout + done.stderr}


def test_the_story_was_told(report: dict[str, Any]) -> None:
    assert report["code"] == 0, report["output"]
    assert [step["name"] for step in report["steps"]] == STEPS


@pytest.mark.parametrize("name", STEPS)
def test_a_step_is_true(report: dict[str, Any], name: str) -> None:
    facts = next((step["facts"] for step in report["steps"] if step["name"] == name), {})
    assert CONDITIONS[name] and broken(name, facts) == [], facts
