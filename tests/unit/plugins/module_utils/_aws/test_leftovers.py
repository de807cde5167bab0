"""Everything in an account is looked at, page after page, and what is gone already is no failure."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from ansible_collections.twine.platform.plugins.module_utils._aws import leftovers
from ansible_collections.twine.platform.plugins.module_utils._aws.errors import Failure


@pytest.fixture
def ec2() -> Any:
    return boto3.client("ec2", region_name="eu-west-2", aws_access_key_id="a", aws_secret_access_key="b")


def test_every_template_is_read_in_every_version_and_every_page_of_images(ec2: Any) -> None:
    stub = Stubber(ec2)
    builder = {"Filters": [{"Name": "tag:twine:role", "Values": ["builder"]}]}
    stub.add_response("describe_key_pairs", {"KeyPairs": []}, builder)
    stub.add_response("describe_security_groups", {"SecurityGroups": []}, builder)
    stub.add_response("describe_volumes", {"Volumes": []}, builder)
    stub.add_response("describe_images", {"Images": [{"ImageId": "ami-1"}], "NextToken": "more"}, {"Owners": ["self"]})
    stub.add_response("describe_images", {"Images": [{"ImageId": "ami-2"}]}, {"Owners": ["self"], "NextToken": "more"})
    stub.add_response("describe_snapshots", {"Snapshots": []}, {"OwnerIds": ["self"]})
    stub.add_response("describe_instances", {"Reservations": [{"Instances": [{"InstanceId": "i-1"}]}]}, {})
    stub.add_response("describe_launch_templates", {"LaunchTemplates": [{"LaunchTemplateId": "lt-1"}]}, {})
    versions = [{"VersionNumber": number, "LaunchTemplateData": {"ImageId": f"ami-{number}"}} for number in (1, 2)]
    stub.add_response("describe_launch_template_versions", {"LaunchTemplateVersions": versions}, {"LaunchTemplateId": "lt-1"})
    with stub:
        found = leftovers.look(ec2, "dev")
    assert [row["ImageId"] for row in found["images"]] == ["ami-1", "ami-2"]
    assert ([row["InstanceId"] for row in found["instances"]], len(found["templates"])) == (["i-1"], 2)


def test_what_cannot_be_seen_does_not_count_as_unused(ec2: Any) -> None:
    stub = Stubber(ec2)
    stub.add_client_error("describe_key_pairs", "UnauthorizedOperation", "no")
    with stub, pytest.raises(Failure, match="Failed to look for what bakes left in account dev: no"):
        leftovers.look(ec2, "dev")


@pytest.mark.parametrize(
    ("kind", "operation", "asked"),
    [
        ("image", "deregister_image", {"ImageId": "x-1"}),
        ("snapshot", "delete_snapshot", {"SnapshotId": "x-1"}),
        ("volume", "delete_volume", {"VolumeId": "x-1"}),
        ("key_pair", "delete_key_pair", {"KeyPairId": "x-1"}),
        ("group", "delete_security_group", {"GroupId": "x-1"}),
    ],
)
def test_each_kind_goes_in_its_own_way(ec2: Any, kind: str, operation: str, asked: dict[str, str]) -> None:
    stub = Stubber(ec2)
    stub.add_response(operation, {}, asked)
    stub.add_client_error(operation, "InvalidThing.NotFound", "gone")
    stub.add_client_error(operation, "DependencyViolation", "it is in use")
    with stub:
        leftovers.remove(ec2, "dev", kind, "x-1")
        leftovers.remove(ec2, "dev", kind, "x-1")
        with pytest.raises(Failure, match=f"Failed to remove {kind.replace('_', ' ')} x-1 of account dev: it is in use"):
            leftovers.remove(ec2, "dev", kind, "x-1")


def test_a_builder_is_waited_for(ec2: Any) -> None:
    stub = Stubber(ec2)
    stub.add_response("terminate_instances", {}, {"InstanceIds": ["i-1"]})
    stub.add_response("describe_instances", {"Reservations": [{"Instances": [{"State": {"Name": "terminated"}}]}]}, {"InstanceIds": ["i-1"]})
    with stub:
        leftovers.remove(ec2, "dev", "instance", "i-1")
    stub.assert_no_pending_responses()
