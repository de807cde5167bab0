"""The calls that ask machines for their consoles, on botocore's own client."""

from __future__ import annotations

import base64
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from ansible_collections.twine.platform.plugins.module_utils._aws.consoles import consoles, tag_image
from ansible_collections.twine.platform.plugins.module_utils._aws.errors import Failure

FILTERS = [{"Name": "image-id", "Values": ["ami-1"]}, {"Name": "instance-state-name", "Values": ["running"]}]


@pytest.fixture
def ec2() -> Any:
    return boto3.client("ec2", region_name="eu-west-2", aws_access_key_id="x", aws_secret_access_key="x")


def test_each_running_machine_of_the_image_is_asked_for_its_latest(ec2: Any) -> None:
    with Stubber(ec2) as stub:
        machines = {"Reservations": [{"Instances": [{"InstanceId": "i-1"}]}, {"Instances": [{"InstanceId": "i-2"}]}]}
        stub.add_response("describe_instances", machines, {"Filters": FILTERS})
        stub.add_response("get_console_output", {"Output": base64.b64encode(b"said").decode()}, {"InstanceId": "i-1", "Latest": True})
        stub.add_response("get_console_output", {}, {"InstanceId": "i-2", "Latest": True})
        assert consoles(ec2, "dev", "ami-1") == {"i-1": "said", "i-2": ""}
        stub.assert_no_pending_responses()


def test_who_may_not_read_them_is_told_so(ec2: Any) -> None:
    with Stubber(ec2) as stub:
        stub.add_client_error("describe_instances", "UnauthorizedOperation", "You may not")
        with pytest.raises(Failure, match=r"consoles of machines of image dev/ami-1: You may not\. Check that the credentials"):
            consoles(ec2, "dev", "ami-1")


def test_an_image_is_tagged(ec2: Any) -> None:
    with Stubber(ec2) as stub:
        stub.add_response("create_tags", {}, {"Resources": ["ami-1"], "Tags": [{"Key": "twine:boot", "Value": "ready after 4.0 s"}]})
        tag_image(ec2, "dev", "ami-1", "twine:boot", "ready after 4.0 s")
        stub.assert_no_pending_responses()
        stub.add_client_error("create_tags", "UnauthorizedOperation", "You may not")
        with pytest.raises(Failure, match=r"tag image dev/ami-1: You may not\. Check that the credentials"):
            tag_image(ec2, "dev", "ami-1", "twine:boot", "ready after 4.0 s")
