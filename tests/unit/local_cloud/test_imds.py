"""An instance is answered about itself, with a token, and gets credentials only of a role that trusts EC2."""

from __future__ import annotations

import base64
import http.client
import json
import threading
from collections.abc import Callable, Iterator
from http.server import ThreadingHTTPServer
from typing import Any

import pytest
from ministack.core.iam_evaluator import ResolvedCredential, resolve_credential
from ministack.services import ec2, iam

from local_cloud.plugin import fabric, imds, settings
from tests.unit.local_cloud.estate import DEV, Estate

Ask = Callable[..., tuple[int, str]]


def record(instance_id: str) -> dict[str, Any]:
    return {
        "InstanceId": instance_id,
        "ImageId": "ami-1",
        "InstanceType": "t3.small",
        "PrivateIpAddress": "127.0.0.1",
        "PrivateDnsName": "ip-127-0-0-1",
        "Placement": {"AvailabilityZone": "eu-west-2a"},
        "SecurityGroups": [{"GroupId": "sg-1", "GroupName": "web"}],
        "LaunchTime": "now",
        "UserData": base64.b64encode(b"MACHINE_ROLE=twine\n").decode(),
        "IamInstanceProfile": {"Arn": f"arn:aws:iam::{DEV}:instance-profile/machine"},
    }


@pytest.fixture
def instance(estate: Estate) -> dict[str, Any]:
    ec2._instances["i-1"] = record("i-1")
    name = f"{settings.PREFIX}-i-1"
    fabric._members[name] = fabric._Member(1, DEV, "subnet-dev", "vpc-dev", "127.0.0.1", [])
    found: dict[str, Any] = ec2._instances["i-1"]
    return found


def give_role(service: str) -> None:
    trust = {"Statement": [{"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}]}
    arn = f"arn:aws:iam::{DEV}:role/machine"
    iam._roles["machine"] = {"RoleName": "machine", "RoleId": "AROA1", "Arn": arn, "AssumeRolePolicyDocument": json.dumps(trust)}
    iam._instance_profiles["machine"] = {
        "InstanceProfileName": "machine",
        "Arn": f"arn:aws:iam::{DEV}:instance-profile/machine",
        "Roles": ["machine"],
    }
    imds._credentials.clear()


@pytest.fixture
def ask() -> Iterator[Ask]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), imds.Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()

    def request(method: str, path: str, **headers: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", server.server_port)
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()

    yield request
    server.shutdown()
    server.server_close()


def token(ask: Ask, seconds: str = "60") -> tuple[int, str]:
    return ask("PUT", "/latest/api/token", X_aws_ec2_metadata_token_ttl_seconds=seconds)


def read(ask: Ask, path: str) -> tuple[int, str]:
    return ask("GET", f"/latest/{path}", X_aws_ec2_metadata_token=token(ask)[1])


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("meta-data/instance-id", "i-1"),
        ("meta-data/placement/region", "eu-west-2"),
        ("meta-data/placement", "availability-zone\nregion"),
        ("meta-data/security-groups", "web"),
        ("user-data", "MACHINE_ROLE=twine\n"),
    ],
)
def test_an_instance_learns_about_itself(instance: dict[str, Any], ask: Ask, path: str, expected: str) -> None:
    assert read(ask, path) == (200, expected)


@pytest.mark.parametrize("path", ["meta-data/nonsense", "meta-data/instance-id/more", "meta-data/iam"])
def test_what_an_instance_does_not_have_is_not_found(instance: dict[str, Any], ask: Ask, path: str) -> None:
    assert read(ask, path)[0] == 404


def test_version_one_is_refused(instance: dict[str, Any], ask: Ask) -> None:
    assert ask("GET", "/latest/meta-data/instance-id")[0] == 401


def test_a_token_serves_the_instance_that_got_it_and_no_other(instance: dict[str, Any], ask: Ask) -> None:
    _status, stolen = token(ask)
    instance["InstanceId"] = "i-2"
    fabric._members[f"{settings.PREFIX}-i-2"] = fabric._members.pop(f"{settings.PREFIX}-i-1")
    assert ask("GET", "/latest/meta-data/instance-id", X_aws_ec2_metadata_token=stolen)[0] == 401


@pytest.mark.parametrize("seconds", ["", "0", "21601", "soon"])
def test_a_token_needs_a_life_of_at_most_six_hours(instance: dict[str, Any], ask: Ask, seconds: str) -> None:
    assert token(ask, seconds)[0] == 400


def test_who_is_no_instance_gets_nothing(estate: Estate, ask: Ask) -> None:
    assert token(ask)[0] == 404


def test_credentials_are_the_roles_and_valid_at_the_emulator(instance: dict[str, Any], ask: Ask) -> None:
    give_role("ec2.amazonaws.com")
    assert read(ask, "meta-data/iam/security-credentials/") == (200, "machine")
    document = json.loads(read(ask, "meta-data/iam/security-credentials/machine")[1])
    resolved = resolve_credential(document["AccessKeyId"], DEV, document["Token"])
    assert isinstance(resolved, ResolvedCredential)
    assert resolved.principal_arn == f"arn:aws:sts::{DEV}:assumed-role/machine/i-1"
    assert json.loads(read(ask, "meta-data/iam/security-credentials/machine")[1]) == document


def test_a_role_that_does_not_trust_ec2_gives_no_credentials(instance: dict[str, Any], ask: Ask) -> None:
    give_role("lambda.amazonaws.com")
    document = json.loads(read(ask, "meta-data/iam/security-credentials/machine")[1])
    assert document["Code"] == "AssumeRoleUnauthorizedAccess"
    assert "SecretAccessKey" not in document
