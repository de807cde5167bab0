"""What is asked of two accounts: what is there is not copied, what failed is made anew, and check mode asks without writing."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber

from ansible_collections.twine.platform.plugins.action.image_copy import copy_all, share_all, wanted_of
from ansible_collections.twine.platform.plugins.module_utils._aws.errors import Failure
from ansible_collections.twine.platform.plugins.module_utils._aws.image_copies import End
from ansible_collections.twine.platform.plugins.module_utils._release.release import from_data

SOURCE, COPY, FAILED = "ami-0123456789abcdef0", "ami-fedcba98765432100", "ami-00000000000000bad"
RELEASE = from_data(
    {
        "name": "1.0",
        "snapshot": "s1",
        "commit": "0123456789ab",
        "packages": {"twine": {"version": "1", "architecture": "all", "sha256": "0" * 64}},
        "images": {"twine": SOURCE},
        "bake_keys": {"twine": "0a1b2c3d4e5f"},
        "templates": {"a.yml": "0" * 64},
        "plan": {"prod/a": "0" * 64},
        "distribution": {},
    }
)
WANTED = wanted_of(RELEASE, None, "dev")
TAGS = [{"Key": key, "Value": value} for key, value in WANTED[0].tags.items()]


def end(name: str, number: str) -> tuple[End, Stubber]:
    client = boto3.client("ec2", region_name="eu-west-2", aws_access_key_id="a", aws_secret_access_key="b")
    stub = Stubber(client)
    stub.activate()
    return End(name, number, "eu-west-2", client), stub


def row(image: str, owner: str, state: str = "available", tags: Any = ()) -> dict[str, Any]:
    return {"ImageId": image, "OwnerId": owner, "State": state, "Name": "twine-k1", "BlockDeviceMappings": [], "Tags": list(tags)}


def images(stub: Stubber, *rows: dict[str, Any]) -> None:
    stub.add_response("describe_images", {"Images": list(rows)}, {"Filters": ANY, "Owners": ["self"]})


def run(source: End, target: End, check: bool = False) -> dict[str, Any]:
    return copy_all(source, target, WANTED, {"kms_key_id": "", "wait": 60}, check, lambda line: None)


def test_the_tags_say_where_it_came_from() -> None:
    expected = {"twine:role": "twine", "twine:bake-key": "0a1b2c3d4e5f", "twine:snapshot": "s1", "twine:release": "1.0", "twine:copied-from": SOURCE}
    assert expected.items() <= WANTED[0].tags.items()


def test_an_image_that_the_release_does_not_name_is_refused() -> None:
    with pytest.raises(Failure, match=r"Failed to copy image search: release 1\.0 has none\. Take some of twine"):
        wanted_of(RELEASE, ["search"], "dev")


def test_a_copy_that_is_there_with_its_tags_changes_nothing() -> None:
    (source, _theirs), (target, ours) = end("dev", "1"), end("prod", "2")
    images(ours)
    for _look in range(3):
        images(ours, row(COPY, "2", tags=TAGS))
    assert run(source, target) == {"changed": False, "copied": [], "shared": [], "images": {"twine": COPY}}


def test_a_failed_copy_goes_and_another_is_made() -> None:
    (source, theirs), (target, ours) = end("dev", "1"), end("prod", "2")
    images(ours)
    images(ours, row(FAILED, "2", "failed"))
    ours.add_response("deregister_image", {}, {"ImageId": FAILED})
    images(theirs, row(SOURCE, "1"))
    theirs.add_response("modify_image_attribute", {}, {"ImageId": SOURCE, "LaunchPermission": {"Add": [{"UserId": "2"}]}})
    images(theirs, row(SOURCE, "1"))
    asked = {
        "Name": "twine-k1",
        "SourceImageId": SOURCE,
        "SourceRegion": "eu-west-2",
        "Encrypted": True,
        "ClientToken": ANY,
        "TagSpecifications": ANY,
    }
    ours.add_response("copy_image", {"ImageId": COPY}, asked)
    images(ours, row(COPY, "2"))
    theirs.add_response("modify_image_attribute", {}, {"ImageId": SOURCE, "LaunchPermission": {"Remove": [{"UserId": "2"}]}})
    assert run(source, target) == {"changed": True, "copied": ["twine"], "shared": [], "images": {"twine": COPY}}
    theirs.assert_no_pending_responses()
    ours.assert_no_pending_responses()


def test_no_roles_are_no_roles() -> None:
    (source, _theirs), (target, _ours) = end("dev", "1"), end("prod", "2")
    assert wanted_of(RELEASE, [], "dev") == []
    nothing = {"changed": False, "copied": [], "shared": [], "images": {}}
    assert copy_all(source, target, [], {"kms_key_id": "", "wait": 60}, False, lambda line: None) == nothing


def test_check_mode_says_what_it_would_copy_and_writes_nothing() -> None:
    (source, _theirs), (target, ours) = end("dev", "1"), end("prod", "2")
    images(ours)
    images(ours)
    assert run(source, target, check=True) == {"changed": True, "copied": ["twine"], "shared": [], "images": {}}


@pytest.mark.parametrize("check", [False, True])
def test_sharing_says_what_it_shares_and_in_check_mode_only_says_it(check: bool) -> None:
    (source, theirs), (target, ours) = end("dev", "1"), end("prod", "2")
    images(ours)
    images(theirs, row(SOURCE, "1", tags=[{"Key": "twine:shared-with:2", "Value": "prod"}]))
    theirs.add_response("describe_image_attribute", {}, {"ImageId": SOURCE, "Attribute": "launchPermission"})
    if not check:
        theirs.add_response("modify_image_attribute", {}, {"ImageId": SOURCE, "LaunchPermission": {"Add": [{"UserId": "2"}]}})
    found = share_all(source, target, WANTED, lambda side: None, check)
    assert (found["changed"], found["shared"], found["images"]) == (True, [f"launch permission of image {SOURCE}"], {"twine": SOURCE})
    assert found["diff"][0]["after"] == f"launch permission of image {SOURCE}\n"
    theirs.assert_no_pending_responses()
