"""Copies are found again, followed to every end there is, and leave their source as it was."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber

from ansible_collections.twine.platform.plugins.module_utils._aws import image_copies
from ansible_collections.twine.platform.plugins.module_utils._aws.errors import Failure
from ansible_collections.twine.platform.plugins.module_utils._aws.image_copies import End, Wanted

SOURCE, COPY = "ami-0123456789abcdef0", "ami-fedcba98765432100"
DISKS = [{"DeviceName": "/dev/xvda", "Ebs": {"SnapshotId": "snap-1"}}]


def end(name: str, number: str) -> tuple[End, Stubber]:
    client = boto3.client("ec2", region_name="eu-west-2", aws_access_key_id="a", aws_secret_access_key="b")
    stub = Stubber(client)
    stub.activate()
    return End(name, number, "eu-west-2", client), stub


def row(image: str, owner: str, state: str = "available", **more: Any) -> dict[str, Any]:
    return {"ImageId": image, "OwnerId": owner, "State": state, "Name": "twine-k1", "BlockDeviceMappings": DISKS, **more}


def images(stub: Stubber, *rows: dict[str, Any]) -> None:
    stub.add_response("describe_images", {"Images": list(rows)}, {"Filters": ANY, "Owners": ["self"]})


@pytest.mark.parametrize(
    ("own", "copies", "wanted"),
    [
        ([], [], None),
        ([row(SOURCE, "2")], [row(COPY, "2")], SOURCE),
        ([], [row("ami-1", "2", "failed"), row("ami-2", "2", "pending"), row("ami-3", "2")], "ami-3"),
        ([], [row("ami-1", "2", "failed"), row("ami-2", "2", "pending")], "ami-2"),
        ([], [row("ami-1", "2", "failed")], "ami-1"),
        ([], [row("ami-1", "3")], None),
    ],
)
def test_what_the_account_has_is_found_the_best_first(own: list[Any], copies: list[Any], wanted: str | None) -> None:
    target, stub = end("prod", "2")
    images(stub, *own)
    images(stub, *copies)
    found = image_copies.found(target, SOURCE)
    assert (found and found["ImageId"]) == wanted


def test_a_copy_is_asked_for_under_the_targets_key_with_its_tags_from_the_first_moment() -> None:
    (source, theirs), (target, ours) = end("dev", "1"), end("prod", "2")
    images(theirs, row(SOURCE, "1"))
    tags = [{"Key": "twine:role", "Value": "twine"}]
    asked = {
        "Name": "twine-k1",
        "SourceImageId": SOURCE,
        "SourceRegion": "eu-west-2",
        "Encrypted": True,
        "KmsKeyId": "alias/prod",
        "ClientToken": ANY,
        "TagSpecifications": [{"ResourceType": "image", "Tags": tags}, {"ResourceType": "snapshot", "Tags": tags}],
    }
    ours.add_response("copy_image", {"ImageId": COPY}, asked)
    assert image_copies.start(source, target, Wanted("twine", SOURCE, {"twine:role": "twine"}), "alias/prod") == COPY


@pytest.mark.parametrize("rows", [[], [row(SOURCE, "3")], [row(SOURCE, "1", "pending")]])
def test_what_the_source_does_not_own_is_not_copied(rows: list[dict[str, Any]]) -> None:
    (source, theirs), (target, _ours) = end("dev", "1"), end("prod", "2")
    images(theirs, *rows)
    with pytest.raises(Failure, match=r"account dev owns none of that id that is available\. Bake it there"):
        image_copies.start(source, target, Wanted("twine", SOURCE, {}), "")


def test_the_source_is_shared_only_meanwhile_whatever_happens() -> None:
    (source, theirs), (target, _ours) = end("dev", "1"), end("prod", "2")
    images(theirs, row(SOURCE, "1"))
    for operation in ("Add", "Remove"):
        who = {operation: [{"UserId": "2"}]}
        theirs.add_response("modify_image_attribute", {}, {"ImageId": SOURCE, "LaunchPermission": who})
        asked = {"SnapshotId": "snap-1", "Attribute": "createVolumePermission", "CreateVolumePermission": who}
        theirs.add_response("modify_snapshot_attribute", {}, asked)
    with pytest.raises(KeyboardInterrupt), image_copies.shared(source, target, [SOURCE]):
        raise KeyboardInterrupt
    theirs.assert_no_pending_responses()


def test_what_is_launched_in_place_stays_shared_after_a_copy() -> None:
    (source, theirs), (target, _ours) = end("dev", "1"), end("prod", "2")
    images(theirs, row(SOURCE, "1", Tags=[{"Key": image_copies.kept(target), "Value": "prod"}]))
    theirs.add_response("modify_image_attribute", {}, {"ImageId": SOURCE, "LaunchPermission": {"Add": [{"UserId": "2"}]}})
    theirs.add_response("modify_snapshot_attribute", {}, {"SnapshotId": "snap-1", "Attribute": ANY, "CreateVolumePermission": ANY})
    with image_copies.shared(source, target, [SOURCE]):
        theirs.assert_no_pending_responses()


def test_progress_is_told_until_it_is_there() -> None:
    target, stub = end("prod", "2")
    for progress in ("10%", "10%", "60%"):
        images(stub, row(COPY, "2", "pending"))
        stub.add_response("describe_snapshots", {"Snapshots": [{"SnapshotId": "snap-1", "Progress": progress}]})
    images(stub, row(COPY, "2"))
    told: list[str] = []
    image_copies.await_all(target, {"twine": COPY}, 60, told.append, pause=0)
    assert told == [f"twine {COPY}: {state}" for state in ("pending 10%", "pending 60%", "available")]


@pytest.mark.parametrize("state", ["failed", "error", "invalid", "deregistered"])
def test_every_bad_end_ends_the_wait(state: str) -> None:
    target, stub = end("prod", "2")
    images(stub, row(COPY, "2", state, StateReason={"Message": "the key is disabled"}))
    with pytest.raises(Failure, match=r"to account prod: the key is disabled\. Mend that"):
        image_copies.await_all(target, {"twine": COPY}, 60, lambda line: None)


def test_a_copy_that_takes_too_long_goes_on() -> None:
    target, stub = end("prod", "2")
    images(stub, row(COPY, "2", "pending", BlockDeviceMappings=[]))
    with pytest.raises(Failure, match=r"prod: twine: not there after 0 s\. Run the same again: it finds them and waits on"):
        image_copies.await_all(target, {"twine": COPY}, 0, lambda line: None)


@pytest.mark.parametrize(("has", "write", "writes"), [({"a": "1", "b": "2"}, True, False), ({"a": "0"}, True, True), ({"a": "0"}, False, False)])
def test_tags_that_are_missing_are_written_on_image_and_snapshots(has: dict[str, str], write: bool, writes: bool) -> None:
    target, stub = end("prod", "2")
    images(stub, row(COPY, "2", Tags=[{"Key": key, "Value": value} for key, value in has.items()]))
    if writes:
        stub.add_response("create_tags", {}, {"Resources": [COPY, "snap-1"], "Tags": [{"Key": "a", "Value": "1"}]})
    assert image_copies.mark(target, COPY, {"a": "1"}, write) is (has["a"] != "1")
    stub.assert_no_pending_responses()


def test_an_image_goes_with_its_snapshots() -> None:
    target, stub = end("prod", "2")
    stub.add_response("deregister_image", {}, {"ImageId": COPY})
    stub.add_response("delete_snapshot", {}, {"SnapshotId": "snap-1"})
    image_copies.drop(target, row(COPY, "2"))
    stub.assert_no_pending_responses()


def test_who_may_not_share_or_remove_is_told_where() -> None:
    (source, theirs), (target, ours) = end("dev", "1"), end("prod", "2")
    images(theirs, row(SOURCE, "1"))
    theirs.add_client_error("modify_image_attribute", "UnauthorizedOperation", "not you")
    theirs.add_client_error("modify_image_attribute", "UnauthorizedOperation", "not you")
    with pytest.raises(Failure, match=f"share image {SOURCE} of account dev with account prod"), image_copies.shared(source, target, [SOURCE]):
        pass
    ours.add_client_error("deregister_image", "UnauthorizedOperation", "not you")
    with pytest.raises(Failure, match=f"remove image {COPY} of account prod"):
        image_copies.drop(target, row(COPY, "2"))
