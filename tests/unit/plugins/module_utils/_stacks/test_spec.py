"""What a person writes is read into types, and each mistake is told with its place and remedy."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.twine.platform.plugins.module_utils._aws.errors import Failure
from ansible_collections.twine.platform.plugins.module_utils._stacks.spec import Reference, parse, text_of


def one(**keys: Any) -> dict[str, Any]:
    return {"dev": [{"name": "network", **keys}]}


def test_a_name_is_enough() -> None:
    stack = parse({"dev": [{"name": "network"}]})["dev/network"]
    assert (stack.template, stack.protection, stack.credentials) == ("network.yml", True, "role")


@pytest.mark.parametrize(
    ("written", "text"),
    [("a", "a"), (7, "7"), (1.5, "1.5"), (True, "true"), (False, "false"), (["a", 2], "a,2"), ([], "")],
)
def test_values_become_the_text_that_cloudformation_takes(written: Any, text: str) -> None:
    value = parse(one(parameters={"P": written}))["dev/network"].parameters["P"]
    assert text_of(value, {}) == text


def test_none_leaves_the_templates_default() -> None:
    assert parse(one(parameters={"P": None}))["dev/network"].parameters == {}


@pytest.mark.parametrize(
    ("written", "reference"),
    [("zone.ZoneId", Reference("dev", "zone", "ZoneId")), ("dns/zone.ZoneId", Reference("dns", "zone", "ZoneId"))],
)
def test_a_reference_without_account_means_its_own(written: str, reference: Reference) -> None:
    assert parse(one(parameters={"P": {"output": written}}))["dev/network"].parameters["P"] == reference


def test_a_list_of_references_is_joined_once_all_are_known() -> None:
    value = parse(one(parameters={"P": [{"output": "a.X"}, "y"]}))["dev/network"].parameters["P"]
    assert text_of(value, {}) is None
    assert text_of(value, {"dev/a": {"X": "x"}}) == "x,y"


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        ({"dev": "network"}, "Write a list"),
        ({"dev": ["network"]}, "Write a mapping with the key 'name'"),
        ({"dev": [{}]}, "'name' is None"),
        ({"dev": [{"name": "my_stack"}]}, "letters, digits and -"),
        ({"dev": [{"name": "a"}, {"name": "a"}]}, "two stacks of this name"),
        (one(parameter={}), "the key 'parameter' is not known"),
        (one(parameters=["a"]), "'parameters' is of type list"),
        (one(parameters={"P": {"outputs": "a.B"}}), "a mapping with the keys ['outputs']"),
        (one(parameters={"P": {"output": "a"}}), "refers to 'a'"),
        (one(parameters={"P": {"output": "a/b/c.D"}}), "refers to 'a/b/c.D'"),
        (one(parameters={"P": [["a"]]}), "is of type list"),
        (one(capabilities="CAPABILITY_IAM"), "'capabilities' is not a list of texts"),
        (one(capabilities=["CAPABILITY_ALL"]), "Choose from CAPABILITY_IAM"),
        (one(tags=["a"]), "'tags' is of type list"),
        (one(protection="yes"), "'protection' is 'yes'"),
        (one(stateful="Volume"), "'stateful' is not a list of texts"),
        (one(after="other"), "'after' is not a list of texts"),
        (one(credentials="admin"), "Write role or account"),
        (one(timeout=0), "'timeout' is 0"),
        (one(timeout=True), "'timeout' is True"),
        (one(template=""), "'template' is ''"),
    ],
)
def test_a_mistake_is_told_with_place_and_remedy(raw: Any, told: str) -> None:
    with pytest.raises(Failure) as failure:
        parse(raw)
    assert told in str(failure.value) and "stacks of account dev" in str(failure.value)


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(Failure) as failure:
        parse({"dev": [{"name": "a", "x": 1}], "prod": [{"name": "b", "y": 1}]})
    assert "entry 1 (a)" in str(failure.value) and "account prod" in str(failure.value)
