"""Every condition of every step can turn its step red."""

from __future__ import annotations

from typing import Any

import pytest

from demo.verdict import CONDITIONS, broken

TRUE: dict[str, dict[str, Any]] = {
    "packages": {"defined": 5, "built": 5, "digests": 5},
    "repository": {"snapshot": "20260101-abc", "built": 5, "published": 5, "bad_signature_refused": True},
    "images": {"defined": 3, "images": 3, "baked_again": 0},
    "stacks": {"stacks": 17, "complete": 17, "accounts": 4, "changes_left": 0, "images_to_try": 2, "images_tried": 2},
    "serving": {"page": 200, "login": 200, "filed": 201, "found": True, "degraded": False},
    "only_way_in": {"machines": 3, "from_bastion": 3, "from_dev": 0, "from_neighbour": 0},
    "kill": {"killed": "i-1", "serving_before": 2, "serving_after": ["i-2", "i-3"], "answered": 10},
    "spike": {
        "machines_before": 2, "machines_after": 4, "others_requests": 90, "others_failed": 0,
        "cause": "a monitor alarm TargetTracking-group-AlarmHigh in state ALARM triggered policy x",
    },
    "rollout": {
        "failed_requests": 0, "requests": 2500, "filed_share": 0.3, "searched_share": 0.3, "old": "1.0.0", "new": "1.0.1",
        "versions_seen": ["1.0.0", "1.0.1"], "machines_left_of_old": 0, "acknowledged": 700, "stored_once": 700, "stored_twice": 0,
    },
    "scale_in": {"machines_before": 5, "machines_after": 2, "minimum": 2, "requests": 50, "failed": 0},
}  # fmt: skip

FALSE: dict[str, dict[str, dict[str, Any]]] = {
    "packages": {
        "every defined package was built": {"built": 4},
        "every package has a digest": {"digests": 4},
    },
    "repository": {
        "the snapshot has a name": {"snapshot": ""},
        "a client of the repository saw every package": {"published": 4},
        "a package index with a wrong signature is refused": {"bad_signature_refused": False},
    },
    "images": {
        "every image is there": {"images": 2},
        "an unchanged image is not baked again": {"baked_again": 1},
    },
    "stacks": {
        "every stack of the four accounts is complete": {"complete": 16},
        "four accounts hold stacks": {"accounts": 3},
        "a second plan finds nothing to change": {"changes_left": 1},
        "dev's images were tried before prod got them": {"images_tried": 1},
    },
    "serving": {
        "the page of the application opens": {"page": 502},
        "a member of staff logs in": {"login": 401},
        "a claim is filed": {"filed": 500},
        "the search engine finds the claim": {"degraded": True},
    },
    "only_way_in": {
        "the bastion reaches the machines' SSH": {"from_bastion": 2},
        "a machine of dev does not reach prod": {"from_dev": 1},
        "prod's own machines do not reach each other's SSH": {"from_neighbour": 1},
    },
    "kill": {
        "the machine that was killed is gone": {"killed": "i-2"},
        "as many machines serve as before": {"serving_after": ["i-2"]},
        "users were answered meanwhile": {"answered": 0},
    },
    "spike": {
        "the group grew by its policy": {"machines_after": 2},
        "the policy did it, not a person": {"cause": "a user request"},
        "no other client's request failed": {"others_failed": 1},
    },
    "rollout": {
        "no request failed": {"failed_requests": 1},
        "enough requests were sent": {"requests": 1999},
        "enough of them filed claims": {"filed_share": 0.24},
        "enough of them searched": {"searched_share": 0.24},
        "both releases were seen answering": {"versions_seen": ["1.0.1"]},
        "every machine was replaced": {"machines_left_of_old": 1},
        "every acknowledged claim is in the database exactly once": {"stored_once": 699},
        "no claim is in the database twice": {"stored_twice": 1},
    },
    "scale_in": {
        "the group shrank again by itself": {"machines_after": 5},
        "it did not shrink below its minimum": {"machines_after": 1},
        "no request failed meanwhile": {"failed": 1},
    },
}


def test_every_step_and_condition_is_covered_here() -> None:
    assert {step: [condition.says for condition in listed] for step, listed in CONDITIONS.items()} == {
        step: list(sentences) for step, sentences in FALSE.items()
    }
    assert TRUE.keys() == CONDITIONS.keys()


@pytest.mark.parametrize("step", CONDITIONS)
def test_a_step_with_true_facts_is_green(step: str) -> None:
    assert broken(step, TRUE[step]) == []


@pytest.mark.parametrize(("step", "sentence"), [(step, sentence) for step, sentences in FALSE.items() for sentence in sentences])
def test_a_false_fact_turns_its_step_red(step: str, sentence: str) -> None:
    assert sentence in broken(step, TRUE[step] | FALSE[step][sentence])


@pytest.mark.parametrize(("step", "fact"), [(step, fact) for step, facts in TRUE.items() for fact in facts])
def test_a_fact_that_was_not_measured_turns_its_step_red(step: str, fact: str) -> None:
    facts = {name: value for name, value in TRUE[step].items() if name != fact}
    assert broken(step, facts)


def test_a_step_without_conditions_is_refused() -> None:
    with pytest.raises(KeyError):
        broken("unheard_of", {})
