"""What botocore writes is read back as it was passed; what its models do not know is refused."""

from __future__ import annotations

import json
import urllib.parse
from typing import Any

import botocore.serialize
import pytest

from local_cloud.plugin import requests
from local_cloud.plugin.requests import Refused

CASES: list[tuple[str, str, dict[str, Any]]] = [
    ("ec2", "DescribeInstances", {"InstanceIds": ["i-1", "i-2"], "Filters": [{"Name": "tag:x", "Values": ["a", "b"]}]}),
    (
        "ec2",
        "RunInstances",
        {
            "ImageId": "ami-1",
            "MinCount": 1,
            "MaxCount": 2,
            "InstanceType": "t3.small",
            "SecurityGroupIds": ["sg-1"],
            "TagSpecifications": [{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": ""}]}],
            "MetadataOptions": {"HttpTokens": "required"},
            "NetworkInterfaces": [{"DeviceIndex": 0, "AssociatePublicIpAddress": True, "Groups": ["sg-1"]}],
        },
    ),
    (
        "autoscaling",
        "CreateAutoScalingGroup",
        {
            "AutoScalingGroupName": "g",
            "MinSize": 1,
            "MaxSize": 2,
            "LaunchTemplate": {"LaunchTemplateId": "lt-1", "Version": "3"},
            "TargetGroupARNs": ["arn:1", "arn:2"],
            "Tags": [{"Key": "a", "Value": "b", "PropagateAtLaunch": True}],
        },
    ),
    ("autoscaling", "SetDesiredCapacity", {"AutoScalingGroupName": "g", "DesiredCapacity": 3, "HonorCooldown": False}),
    (
        "cloudformation",
        "CreateStack",
        {"StackName": "s", "TemplateBody": "{}", "Parameters": [{"ParameterKey": "a", "ParameterValue": ""}], "Tags": []},
    ),
    ("elasticloadbalancing", "ModifyTargetGroupAttributes", {"TargetGroupArn": "arn", "Attributes": [{"Key": "k", "Value": "v"}]}),
    ("rds", "DescribeDBInstances", {"Filters": [{"Name": "n", "Values": ["v"]}], "MaxRecords": 20}),
    ("iam", "CreateRole", {"RoleName": "r", "AssumeRolePolicyDocument": "{}", "MaxSessionDuration": 3600}),
    ("sts", "AssumeRole", {"RoleArn": "arn:aws:iam::111111111111:role/r", "RoleSessionName": "session", "ExternalId": "secret"}),
    ("secretsmanager", "GetSecretValue", {"SecretId": "x"}),
    ("ssm", "PutParameter", {"Name": "/x", "Value": "1", "Type": "String", "Overwrite": True}),
]


def wire(service: str, operation: str, parameters: dict[str, Any]) -> tuple[str, str, dict[str, str], bytes, dict[str, Any]]:
    """The request a client sends."""
    model = requests.model(service)
    sent = botocore.serialize.create_serializer(model.protocol).serialize_to_request(parameters, model.operation_model(operation))
    body = sent["body"]
    text = urllib.parse.urlencode(body) if isinstance(body, dict) else body
    headers = {key.lower(): value for key, value in sent["headers"].items()}
    return sent["method"], sent["url_path"], headers, text.encode() if isinstance(text, str) else text, {}


@pytest.mark.parametrize(("service", "operation", "parameters"), CASES, ids=[f"{c[0]} {c[1]}" for c in CASES])
def test_a_request_is_read_as_the_client_passed_it(service: str, operation: str, parameters: dict[str, Any]) -> None:
    asked = requests.read(service, *wire(service, operation, parameters))
    assert (asked.action, asked.input) == (operation, parameters)


QUERY = {"content-type": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize(
    ("service", "body", "code"),
    [
        ("ec2", "Action=DescribeVpcs&Nonsense=1", "UnknownParameter"),
        ("ec2", "Action=DescribeVpcs&Filter.1.Nonsense=1", "UnknownParameter"),
        ("ec2", "Action=RunInstances&ImageId=ami-1", "ValidationError"),
        ("ec2", "Action=RunInstances&MinCount=one&MaxCount=1", "ValidationError"),
        ("ec2", "Action=RunInstances&MinCount=1&MaxCount=1&InstanceType=t3.huge", "ValidationError"),
        ("autoscaling", "Action=CreateAutoScalingGroup&AutoScalingGroupName=g&MaxSize=1", "ValidationError"),
        ("autoscaling", "Action=DescribeAutoScalingGroups&Colour=red", "ValidationError"),
        ("autoscaling", "Action=MakeTea", "InvalidAction"),
        ("dynamodb", "", "UnsupportedOperation"),
    ],
)
def test_what_the_model_does_not_know_is_refused(service: str, body: str, code: str) -> None:
    with pytest.raises(Refused) as refusal:
        requests.read(service, "POST", "/", QUERY, body.encode(), {})
    assert refusal.value.code == code


@pytest.mark.parametrize("content", [{"Name": "/x", "Value": "1", "Type": "Nonsense"}, {"Value": "1"}, {"Name": "/x", "Value": 1}, {"Nonsense": 1}])
def test_a_wrong_json_request_is_refused(content: dict[str, Any]) -> None:
    headers = {"content-type": "application/x-amz-json-1.1", "x-amz-target": "AmazonSSM.PutParameter"}
    with pytest.raises(Refused, match="PutParameter"):
        requests.read("ssm", "POST", "/", headers, json.dumps(content).encode(), {})
