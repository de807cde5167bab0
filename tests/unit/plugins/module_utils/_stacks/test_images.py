"""Images that stacks name are looked for before the first write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from ansible_collections.twine.platform.plugins.module_utils._aws.errors import Failure
from ansible_collections.twine.platform.plugins.module_utils._stacks import images, spec
from ansible_collections.twine.platform.plugins.module_utils._stacks.template import load

HERE, GONE = "ami-0123456789abcdef0", "ami-fedcba98765432100"
TEMPLATE = """\
Parameters:
  ImageId: {Type: "AWS::EC2::Image::Id"}
  InstanceType: {Type: String, Default: none}
  Other: {Type: String, Default: none}
Resources:
  Topic: {Type: AWS::SNS::Topic}
"""


def test_parameters_of_an_images_type_are_looked_at_and_no_others(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text(TEMPLATE)
    template = load(tmp_path / "a.yml")
    raw = {
        "dev": [
            {"name": "one", "parameters": {"ImageId": HERE, "Other": GONE, "InstanceType": "t3.small"}},
            {"name": "two", "parameters": {"ImageId": HERE}},
        ],
        "prod": [{"name": "one", "parameters": {"ImageId": {"output": "dev/one.Id"}}}],
    }
    stacks = spec.parse(raw)

    assert images.named(stacks.values(), dict.fromkeys(stacks, template)) == {"dev": {HERE: images.Use("dev/one", "t3.small")}}


def answer(rows: list[dict[str, Any]], machine: str = "", shared: images.Shared | None = None) -> list[str]:
    client = boto3.client("ec2", region_name="eu-west-2", aws_access_key_id="a", aws_secret_access_key="b")
    with Stubber(client) as stub:
        stub.add_response("describe_images", {"Images": rows}, {"Filters": [{"Name": "image-id", "Values": [HERE, GONE]}]})
        uses = {HERE: images.Use("prod/application", machine), GONE: images.Use("prod/search", "")}
        return images.absent("prod", uses, lambda account: client, "222222222222", shared)


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([{"ImageId": HERE, "State": "available"}, {"ImageId": GONE, "State": "available"}], []),
        ([{"ImageId": HERE, "State": "available"}], [f"prod/search: image {GONE} is not there in account prod"]),
        ([{"ImageId": HERE, "State": "pending"}, {"ImageId": GONE, "State": "available"}], [f"prod/application: image {HERE} is pending"]),
    ],
)
def test_an_image_that_cannot_be_launched_is_told_with_its_stack(rows: list[dict[str, Any]], told: list[str]) -> None:
    found = answer(rows)

    assert len(found) == len(told)
    assert all(part in line and "playbooks/bake_image.yml" in line for part, line in zip(told, found, strict=True))


def test_an_image_that_is_only_shared_is_refused() -> None:
    here = {"ImageId": HERE, "State": "available", "OwnerId": "111111111111"}
    [told] = answer([here, {"ImageId": GONE, "State": "available", "OwnerId": "222222222222"}])

    assert "prod/application" in told and "account prod launches only what it owns" in told and "playbooks/copy_image.yml" in told


@pytest.mark.parametrize(
    ("owner", "shared", "fits"),
    [
        ("111111111111", images.Shared("111111111111", {"prod": {HERE}}), True),
        ("333333333333", images.Shared("111111111111", {"prod": {HERE}}), False),
        ("111111111111", images.Shared("111111111111", {"bastion": {HERE}}), False),
        ("111111111111", images.Shared("111111111111", {"prod": {GONE}}), False),
        ("111111111111", images.Shared("", {"prod": {HERE}}), False),
    ],
)
def test_an_image_is_launched_in_place_only_of_who_bakes_and_where_the_release_says_so(owner: str, shared: images.Shared, fits: bool) -> None:
    here = {"ImageId": HERE, "State": "available", "OwnerId": owner}
    told = answer([here, {"ImageId": GONE, "State": "available", "OwnerId": "222222222222"}], shared=shared)

    assert (told == []) is fits


@pytest.mark.parametrize(
    ("architecture", "machine", "fits"),
    [
        ("x86_64", "t3.small", True),
        ("arm64", "t4g.small", True),
        ("arm64", "c7gn.large", True),
        ("arm64", "a1.large", True),
        ("x86_64", "g5.xlarge", True),
        ("arm64", "t3.small", False),
        ("x86_64", "m7gd.large", False),
        ("arm64", "", True),
    ],
)
def test_an_image_and_its_machines_are_of_one_architecture(architecture: str, machine: str, fits: bool) -> None:
    rows = [{"ImageId": HERE, "State": "available", "Architecture": architecture}, {"ImageId": GONE, "State": "available"}]
    told = answer(rows, machine)

    assert (told == []) is fits
    assert fits or f"image {HERE} is of {architecture}, and a {machine} is not. Bake it for that architecture" in told[0]


def test_an_account_that_does_not_answer_is_told() -> None:
    client = boto3.client("ec2", region_name="eu-west-2", aws_access_key_id="a", aws_secret_access_key="b")
    stub = Stubber(client)
    stub.add_client_error("describe_images", "UnauthorizedOperation", "no")
    with stub, pytest.raises(Failure, match="Failed to look for images in account prod: no"):
        images.absent("prod", {HERE: images.Use("prod/application", "")}, lambda account: client, "222222222222")
