"""Whether a step of the story is true: conditions over its measured facts, and nothing else.

A step is green only if every condition listed for it here holds. A fact that was not measured makes its conditions false.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Facts = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Condition:
    """A sentence that must be true, and the test of it over a step's facts."""

    says: str
    holds: Callable[[Facts], bool]


ROLLOUT_REQUESTS = 2000
"""A rollout is judged over at least so many requests."""

LEAST_SHARE = 0.25
"""Filing and searching each make up at least this share of a rollout's requests."""

CONDITIONS: dict[str, list[Condition]] = {
    "packages": [
        Condition("every defined package was built", lambda f: f["defined"] > 0 and f["built"] == f["defined"]),
        Condition("every package has a digest", lambda f: f["digests"] == f["defined"]),
    ],
    "repository": [
        Condition("the snapshot has a name", lambda f: bool(f["snapshot"])),
        Condition("a client of the repository saw every package", lambda f: f["published"] == f["built"] > 0),
        Condition("a package index with a wrong signature is refused", lambda f: f["bad_signature_refused"]),
    ],
    "images": [
        Condition("every image is there", lambda f: f["images"] == f["defined"] > 0),
        Condition("an unchanged image is not baked again", lambda f: f["baked_again"] == 0),
    ],
    "stacks": [
        Condition("every stack of the four accounts is complete", lambda f: f["complete"] == f["stacks"] > 0),
        Condition("four accounts hold stacks", lambda f: f["accounts"] == 4),
        Condition("a second plan finds nothing to change", lambda f: f["changes_left"] == 0),
        Condition("dev's images were tried before prod got them", lambda f: f["images_tried"] == f["images_to_try"] > 0),
    ],
    "serving": [
        Condition("the page of the application opens", lambda f: f["page"] == 200),
        Condition("a member of staff logs in", lambda f: f["login"] == 200),
        Condition("a claim is filed", lambda f: f["filed"] == 201),
        Condition("the search engine finds the claim", lambda f: f["found"] and not f["degraded"]),
    ],
    "only_way_in": [
        Condition("the bastion reaches the machines' SSH", lambda f: f["from_bastion"] == f["machines"] > 0),
        Condition("a machine of dev does not reach prod", lambda f: f["from_dev"] == 0),
        Condition("prod's own machines do not reach each other's SSH", lambda f: f["from_neighbour"] == 0),
    ],
    "kill": [
        Condition("the machine that was killed is gone", lambda f: f["killed"] not in f["serving_after"]),
        Condition("as many machines serve as before", lambda f: len(f["serving_after"]) >= f["serving_before"] > 0),
        Condition("users were answered meanwhile", lambda f: f["answered"] > 0),
    ],
    "spike": [
        Condition("the group grew by its policy", lambda f: f["machines_after"] > f["machines_before"] > 0),
        Condition("the policy did it, not a person", lambda f: "TargetTracking" in f["cause"]),
        Condition("no other client's request failed", lambda f: f["others_requests"] > 0 and f["others_failed"] == 0),
    ],
    "rollout": [
        Condition("no request failed", lambda f: f["failed_requests"] == 0),
        Condition("enough requests were sent", lambda f: f["requests"] >= ROLLOUT_REQUESTS),
        Condition("enough of them filed claims", lambda f: f["filed_share"] >= LEAST_SHARE),
        Condition("enough of them searched", lambda f: f["searched_share"] >= LEAST_SHARE),
        Condition("both releases were seen answering", lambda f: f["old"] != f["new"] and {f["old"], f["new"]} <= set(f["versions_seen"])),
        Condition("every machine was replaced", lambda f: f["machines_left_of_old"] == 0),
        Condition("every acknowledged claim is in the database exactly once", lambda f: f["acknowledged"] == f["stored_once"] > 0),
        Condition("no claim is in the database twice", lambda f: f["stored_twice"] == 0),
    ],
    "scale_in": [
        Condition("the group shrank again by itself", lambda f: f["machines_after"] < f["machines_before"]),
        Condition("it did not shrink below its minimum", lambda f: f["machines_after"] >= f["minimum"] > 0),
        Condition("no request failed meanwhile", lambda f: f["requests"] > 0 and f["failed"] == 0),
    ],
}


def broken(step: str, facts: Facts) -> list[str]:
    """The sentences of ``step`` that ``facts`` do not bear out; empty when the step is true.

    :raises KeyError: if the step has no conditions: a step that can't fail proves nothing.
    """
    return [condition.says for condition in CONDITIONS[step] if not _holds(condition, facts)]


def _holds(condition: Condition, facts: Facts) -> bool:
    try:
        return bool(condition.holds(facts))
    except (KeyError, TypeError, AttributeError):
        return False
