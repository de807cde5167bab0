"""Faults are met once, refusals speak the API's language, templates are read as strictly as AWS does."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ministack.services import secretsmanager
from ministack.services.cloudformation import engine, handlers, provisioners

from local_cloud.plugin import corrections, emulator
from local_cloud.plugin.requests import Refused
from tests.unit.local_cloud.estate import BASTION, DEV


def meets(action: str) -> str:
    try:
        emulator.faults.meet("resource" if "::" in action else "ec2", action)
    except Refused as error:
        return error.code
    return ""


@pytest.mark.parametrize(
    ("fault", "met"),
    [
        ({"kind": "throttle", "action": "DescribeVpcs"}, ["", "Throttling", ""]),
        ({"kind": "fail", "times": "2"}, ["InternalFailure", "InternalFailure", ""]),
        ({"kind": "throttle", "account": "dev"}, ["Throttling", "", ""]),
        ({"kind": "throttle", "account": "bastion"}, ["", "", ""]),
    ],
)
def test_a_fault_is_met_by_its_action_and_account_as_often_as_asked(fault: dict[str, str], met: list[str]) -> None:
    emulator.inject(fault)
    assert [meets("RunInstances"), meets("DescribeVpcs"), meets("DescribeVpcs")] == met


def test_a_fault_waits_for_its_account() -> None:
    emulator.inject({"kind": "throttle", "account": "bastion"})
    with emulator.scope(BASTION):
        assert meets("DescribeVpcs") == "Throttling"


def test_each_action_is_met_once() -> None:
    emulator.inject({"kind": "throttle", "action": "each"})
    assert [meets("DescribeVpcs"), meets("DescribeVpcs"), meets("RunInstances"), meets("RunInstances")] == ["Throttling", "", "Throttling", ""]


def test_a_resource_type_fails_only_by_its_name() -> None:
    emulator.inject({"kind": "fail", "action": "*"})
    assert not meets("AWS::EC2::Subnet")
    emulator.inject({"kind": "fail", "action": "AWS::EC2::Subnet"})
    assert [meets("AWS::EC2::VPC"), meets("AWS::EC2::Subnet"), meets("AWS::EC2::Subnet")] == ["", "InternalFailure", ""]


def test_an_unknown_fault_is_refused() -> None:
    with pytest.raises(Refused, match="Faults: throttle, fail, capacity, slow, away, clear"):
        emulator.inject({"kind": "gremlins"})


@pytest.mark.parametrize(
    ("service", "headers", "expected"),
    [
        ("ec2", {}, b"<Response><Errors><Error><Code>No</Code><Message>a &lt; b</Message>"),
        ("autoscaling", {}, b"<ErrorResponse><Error><Type>Sender</Type><Code>No</Code>"),
        ("ssm", {"content-type": "application/x-amz-json-1.1"}, b'{"__type": "No", "message": "a < b"}'),
    ],
)
def test_a_refusal_speaks_the_protocol(service: str, headers: dict[str, str], expected: bytes) -> None:
    assert emulator.api_error(service, Refused("No", "a < b"), headers)[2].startswith(expected)


@pytest.fixture
def strict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_validate_template_statics", engine._validate_template_statics)
    monkeypatch.setattr(handlers, "_resolve_parameters", handlers._resolve_parameters)
    emulator._strict_templates()


VPC = {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.1.0.0/16"}}


@pytest.mark.parametrize(
    ("resource", "missing"),
    [
        ({"Ref": "Nobody"}, "Nobody"),
        ({"Fn::GetAtt": ["Nobody", "Id"]}, "Nobody"),
        ({"Fn::Sub": "x-${Nobody.Id}"}, "Nobody"),
        ({"Fn::Sub": "${AWS::Region} ${Vpc} ${!Nobody}"}, ""),
    ],
)
def test_a_name_that_a_template_does_not_define_is_refused(strict: None, resource: dict[str, Any], missing: str) -> None:
    subnet = {"Type": "AWS::EC2::Subnet", "Properties": {"VpcId": resource, "CidrBlock": "10.1.1.0/24"}}
    template = {"Resources": {"Vpc": VPC, "Subnet": subnet}}
    if not missing:
        engine.validate_template_support(template, {})
        return
    with pytest.raises(ValueError, match=r"Unresolved resource dependencies \[Nobody\]"):
        engine.validate_template_support(template, {})


def test_a_parameter_that_a_template_does_not_have_is_refused(strict: None) -> None:
    with pytest.raises(ValueError, match=r"Parameters: \[Extra\] do not exist in the template"):
        handlers._resolve_parameters({"Parameters": {}}, [{"Key": "Extra", "Value": "1"}])


@pytest.mark.parametrize(
    ("name", "changed", "expected"),
    [
        ("AWS::EC2::LaunchTemplate", "LaunchTemplateData", "Never"),
        ("AWS::EC2::LaunchTemplate", "LaunchTemplateName", "Always"),
        ("AWS::AutoScaling::AutoScalingGroup", "LaunchTemplate", "Never"),
        ("AWS::Route53::RecordSet", "Name", "Always"),
    ],
)
def test_a_change_set_says_what_replaces(monkeypatch: pytest.MonkeyPatch, name: str, changed: str, expected: str) -> None:
    monkeypatch.setitem(provisioners._REPLACING_PROPERTIES, name, corrections.REPLACING[name])
    assert provisioners._property_recreation(name, changed) == expected


def test_a_generated_secret_keeps_to_what_was_asked() -> None:
    wanted = {"PasswordLength": "40", "ExcludePunctuation": "true", "SecretStringTemplate": '{"username": "u"}', "GenerateStringKey": "password"}
    secret = json.loads(corrections.secret_string({"GenerateSecretString": wanted}))
    assert secret["username"] == "u"
    assert len(secret["password"]) == 40
    assert secret["password"].isalnum()
    assert corrections.secret_string({"SecretString": "given"}) == "given"


def test_a_secrets_reference_is_its_arn_and_leads_back_to_its_name() -> None:
    arn = f"arn:aws:secretsmanager:eu-west-2:{DEV}:secret:/twine/dev/a-b-abc123"
    secretsmanager._secrets["/twine/dev/a-b"] = {"ARN": arn}
    outward, inward = corrections.REFS["AWS::SecretsManager::Secret"]
    assert (outward("/twine/dev/a-b"), inward(arn)) == (arn, "/twine/dev/a-b")
