"""What a stack takes from where is one digest: values do not move it, everything else does."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.twine.platform.plugins.module_utils._stacks import spec
from ansible_collections.twine.platform.plugins.module_utils._stacks.shape import shapes

IMAGES = {"twine": "ami-0123456789abcdef0", "search": "ami-fedcba98765432100"}
STACK: dict[str, Any] = {
    "name": "application",
    "capabilities": ["CAPABILITY_IAM"],
    "parameters": {
        "VpcId": {"output": "network.VpcId"},
        "ImageId": IMAGES["twine"],
        "MinSize": 2,
        "Subnets": [{"output": "network.A"}, {"output": "network.B"}],
        "Ranges": ["10.0.0.0/8", "192.168.0.0/16"],
    },
}


def shape(change: dict[str, Any] | None = None, parameters: dict[str, Any] | None = None, images: dict[str, str] | None = None) -> str:
    stack = STACK | (change or {}) | {"parameters": STACK["parameters"] | (parameters or {})}
    (digest,) = shapes(spec.parse({"prod": [stack]}), images or IMAGES).values()
    return digest


@pytest.mark.parametrize(
    ("change", "parameters"),
    [
        ({}, {"MinSize": 10}),
        ({}, {"Ranges": ["10.0.0.0/8"]}),
        ({"protection": False}, {}),
        ({"timeout": 5}, {}),
        ({"tags": {"team": "platform"}}, {}),
        ({"template": "application.yml"}, {}),
    ],
)
def test_a_value_of_the_estate_does_not_move_it(change: dict[str, Any], parameters: dict[str, Any]) -> None:
    assert shape(change, parameters) == shape()


@pytest.mark.parametrize(
    ("change", "parameters"),
    [
        ({}, {"VpcId": {"output": "network.Other"}}),
        ({}, {"VpcId": {"output": "dev/network.VpcId"}}),
        ({}, {"VpcId": "vpc-1"}),
        ({}, {"Subnets": [{"output": "network.A"}]}),
        ({}, {"Subnets": [{"output": "network.A"}, "subnet-1"]}),
        ({}, {"ImageId": IMAGES["search"]}),
        ({}, {"ImageId": "ami-00000000000000000"}),
        ({}, {"Another": 1}),
        ({"template": "other.yml"}, {}),
        ({"capabilities": []}, {}),
        ({"stateful": ["Group"]}, {}),
        ({"after": ["network"]}, {}),
        ({"credentials": "account"}, {}),
    ],
)
def test_what_it_takes_and_from_where_moves_it(change: dict[str, Any], parameters: dict[str, Any]) -> None:
    assert shape(change, parameters) != shape()


def test_another_release_of_the_same_roles_has_the_same_shape() -> None:
    images = {"twine": "ami-11111111111111111", "search": "ami-22222222222222222"}

    assert shape({}, {"ImageId": images["twine"]}, images) == shape()


def test_two_roles_of_one_image_are_one_origin() -> None:
    both = {"twine": IMAGES["twine"], "search": IMAGES["twine"]}

    assert shape(images=both) == shape(images=dict(reversed(both.items()))) != shape()


def test_a_copy_of_its_own_is_the_same_origin_and_anothers_is_not() -> None:
    stack = STACK | {"parameters": STACK["parameters"] | {"ImageId": "ami-33333333333333333"}}
    copy = {"twine": "ami-33333333333333333"}
    own, anothers = (shapes(spec.parse({"prod": [stack]}), IMAGES, {account: copy})["prod/application"] for account in ("prod", "bastion"))

    assert own == shape() != anothers
