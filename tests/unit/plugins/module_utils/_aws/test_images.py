"""An image counts as there if the account owns it, whoever else may have shared one with the same tags."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from ansible_collections.twine.platform.plugins.module_utils._aws import images
from ansible_collections.twine.platform.plugins.module_utils._aws.errors import Failure

DEV, STRANGER = "111111111111", "999999999999"
BAKED = [
    {"Name": "tag:twine:role", "Values": ["bastion"]},
    {"Name": "tag:twine:bake-key", "Values": ["k1"]},
    {"Name": "state", "Values": ["available"]},
]


def asked(filters: list[dict[str, Any]], owner: str, rows: list[dict[str, Any]]) -> Any:
    client = boto3.client("ec2", region_name="eu-west-2", aws_access_key_id="a", aws_secret_access_key="b")
    stub = Stubber(client)
    stub.add_response("describe_images", {"Images": rows}, {"Filters": filters, "Owners": [owner]})
    stub.activate()
    return client


def row(image: str, owner: str = DEV, day: str = "2026-01-01") -> dict[str, Any]:
    return {"ImageId": image, "OwnerId": owner, "Name": f"n-{image}", "CreationDate": f"{day}T00:00:00.000Z"}


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ([], None),
        ([row("ami-theirs", STRANGER)], None),
        ([row("ami-older", day="2025-01-01"), row("ami-newer"), row("ami-theirs", STRANGER, "2027-01-01")], "ami-newer"),
    ],
)
def test_an_image_is_the_accounts_own_or_not_there(rows: list[dict[str, Any]], found: str | None) -> None:
    client = asked([*BAKED, {"Name": "architecture", "Values": ["x86_64"]}], "self", rows)
    assert images.baked(client, DEV, "bastion", "k1", "amd64") == found


@pytest.mark.parametrize(("architecture", "machine"), [("amd64", "x86_64"), ("arm64", "arm64")])
def test_what_is_begun_with_is_of_the_architecture_and_the_newest(architecture: str, machine: str) -> None:
    filters = {"name": "debian-12-*", "architecture": machine, "state": "available", "virtualization-type": "hvm", "root-device-type": "ebs"}
    words = [{"Name": name, "Values": [value]} for name, value in filters.items()]
    client = asked(words, "136693071363", [row("ami-newer", day="2026-02-01"), row("ami-older")])
    assert images.newest(client, "136693071363", "debian-12-*", architecture)["ImageId"] == "ami-newer"


def test_nothing_to_begin_with_says_what_to_look_at() -> None:
    client = boto3.client("ec2", region_name="eu-west-2", aws_access_key_id="a", aws_secret_access_key="b")
    stub = Stubber(client)
    stub.add_response("describe_images", {"Images": []})
    with stub, pytest.raises(Failure, match=r"Failed to find an image to begin with, d-\* of 1: there is none in this region\. Check source_owner"):
        images.newest(client, "1", "d-*", "amd64")
