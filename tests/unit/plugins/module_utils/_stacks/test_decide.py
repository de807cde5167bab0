"""What is to be done follows from what is wanted and what DescribeStacks shows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.twine.platform.plugins.module_utils._stacks.checks import templates_of
from ansible_collections.twine.platform.plugins.module_utils._stacks.cloudformation import Observed
from ansible_collections.twine.platform.plugins.module_utils._stacks.decide import Decision, decide
from ansible_collections.twine.platform.plugins.module_utils._stacks.graph import build
from ansible_collections.twine.platform.plugins.module_utils._stacks.spec import parse

PARENT = "Parameters: {Size: {Type: String}}\nResources: {T: {Type: 'AWS::SNS::Topic'}}\nOutputs:\n  Id: {Value: x}\n"
CHILD = "Parameters: {Id: {Type: String}}\nResources: {T: {Type: 'AWS::SNS::Topic'}}\n"
RAW: dict[str, Any] = {
    "dev": [{"name": "parent", "parameters": {"Size": 1}}, {"name": "child", "parameters": {"Id": {"output": "parent.Id"}}}],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "parent.yml").write_text(PARENT)
    (tmp_path / "child.yml").write_text(CHILD)
    return tmp_path


def judged(folder: Path, observed: dict[str, Observed], only: frozenset[str] | None = None) -> dict[str, Decision]:
    stacks = parse(RAW)
    selected = only or frozenset(stacks)
    return decide(stacks, templates_of(stacks, [folder]), build(stacks), observed, {"estate": "x"}, selected)


def standing(name: str, **facts: Any) -> Observed:
    return Observed(name, f"arn:{name}", "CREATE_COMPLETE", protected=True, **facts)


def settled(folder: Path) -> dict[str, Observed]:
    """Both stacks exactly as wanted."""
    parent = standing("parent", outputs={"Id": "i"}, parameters={"Size": "1"})
    child = standing("child", parameters={"Id": "i"})
    found = judged(folder, {"dev/parent": parent, "dev/child": child})
    return {
        key: replace(stack, digest=wanted.digest)
        for key, stack, wanted in (("dev/parent", parent, found["dev/parent"].wanted), ("dev/child", child, found["dev/child"].wanted))
        if wanted is not None
    }


def test_nothing_stands_so_all_is_created_and_the_child_waits(folder: Path) -> None:
    found = judged(folder, {})
    assert [decision.verdict for decision in found.values()] == ["create", "create"]
    assert found["dev/child"].waits_for == ("dev/parent",) and found["dev/child"].unknown == ("Id",)


def test_equal_digests_are_nothing_to_do(folder: Path) -> None:
    assert {decision.verdict for decision in judged(folder, settled(folder)).values()} == {"unchanged"}


@pytest.mark.parametrize(
    ("change", "verdict", "why"),
    [
        ({"digest": "other"}, "update", "the template"),
        ({"parameters": {"Size": "2"}}, "update", "parameters Size"),
        ({"protected": False}, "protect", "termination protection"),
        ({"status": "UPDATE_ROLLBACK_COMPLETE"}, "unchanged", ""),
        ({"status": "UPDATE_ROLLBACK_COMPLETE", "digest": "before"}, "update", "the template"),
        ({"status": "UPDATE_IN_PROGRESS"}, "busy", "begun by another run"),
        ({"status": "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"}, "busy", "begun by another run"),
        ({"status": "DELETE_IN_PROGRESS"}, "busy", "begun by another run"),
        ({"status": "REVIEW_IN_PROGRESS"}, "recreate", "left of an earlier attempt"),
        ({"status": "ROLLBACK_COMPLETE"}, "recreate", "left of an earlier attempt"),
        ({"status": "ROLLBACK_FAILED"}, "recreate", "left of an earlier attempt"),
        ({"status": "UPDATE_ROLLBACK_FAILED", "reason": "stuck"}, "blocked", "stuck"),
    ],
)
def test_each_state_has_its_verdict(folder: Path, change: dict[str, Any], verdict: str, why: str) -> None:
    observed = settled(folder)
    observed["dev/parent"] = replace(observed["dev/parent"], **change)
    found = judged(folder, observed)["dev/parent"]
    assert found.verdict == verdict and why in found.why


def test_a_child_of_a_changing_parent_is_judged_by_todays_outputs_and_says_so(folder: Path) -> None:
    observed = settled(folder)
    observed["dev/parent"] = replace(observed["dev/parent"], digest="other")
    child = judged(folder, observed)["dev/child"]
    assert child.verdict == "unchanged" and child.waits_for == ("dev/parent",)


def test_a_parent_that_is_not_selected_gives_its_outputs_as_they_are(folder: Path) -> None:
    observed = settled(folder)
    observed["dev/parent"] = replace(observed["dev/parent"], digest="other")
    found = judged(folder, observed, frozenset({"dev/child"}))
    assert list(found) == ["dev/child"] and found["dev/child"].verdict == "unchanged" and not found["dev/child"].waits_for
