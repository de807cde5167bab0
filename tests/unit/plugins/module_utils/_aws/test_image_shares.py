"""What is missing is seen before anything is written, written once, and nothing else of a key's policy changes."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber

from ansible_collections.twine.platform.plugins.module_utils._aws import image_shares
from ansible_collections.twine.platform.plugins.module_utils._aws.errors import Failure
from ansible_collections.twine.platform.plugins.module_utils._aws.image_copies import End, kept

DEV, PROD = "111111111111", "222222222222"
IMAGE, DISK = "ami-0123456789abcdef0", "snap-0123456789abcdef0"
KEY = f"arn:aws:kms:eu-west-2:{DEV}:key/1a2b3c4d-5e6f-1a2b-3c4d-5e6f1a2b3c4d"
ROLE = f"arn:aws:iam::{PROD}:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"
OWN = {"Sid": "Own", "Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{DEV}:root"}, "Action": "kms:*", "Resource": "*"}
WHO = [{"UserId": PROD}]


class Side:
    """An account with a client of EC2 and of KMS, of which every call is told beforehand."""

    def __init__(self, name: str, number: str) -> None:
        session = boto3.Session("a", "b", region_name="eu-west-2")
        made: dict[str, Any] = {"ec2": session.client("ec2"), "kms": session.client("kms")}
        self.stubs = {service: Stubber(client) for service, client in made.items()}
        for stub in self.stubs.values():
            stub.activate()
        self.kms = made["kms"]
        self.end = End(name, number, "eu-west-2", made["ec2"])

    def ec2_says(self, action: str, answer: dict[str, Any], asked: dict[str, Any]) -> None:
        self.stubs["ec2"].add_response(action, answer, asked)

    def kms_says(self, action: str, answer: dict[str, Any], asked: dict[str, Any]) -> None:
        self.stubs["kms"].add_response(action, answer, asked)


@pytest.fixture
def dev() -> Side:
    return Side("dev", DEV)


@pytest.fixture
def prod() -> Side:
    return Side("prod", PROD)


def image(dev: Side, prod: Side, shared: bool = False, **disk: Any) -> None:
    """Dev has the image, prod does not; its one disk is as told."""
    tags = [{"Key": kept(prod.end), "Value": "prod"}] if shared else []
    row = {"ImageId": IMAGE, "OwnerId": DEV, "State": "available", "Tags": tags, "BlockDeviceMappings": [{"Ebs": {"SnapshotId": DISK}}]}
    prod.ec2_says("describe_images", {"Images": []}, {"Filters": ANY, "Owners": ["self"]})
    dev.ec2_says("describe_images", {"Images": [row]}, {"Filters": ANY, "Owners": ["self"]})
    has = {"LaunchPermissions": WHO} if shared else {}
    dev.ec2_says("describe_image_attribute", {"ImageId": IMAGE, **has}, {"ImageId": IMAGE, "Attribute": "launchPermission"})
    can = {"CreateVolumePermissions": WHO} if shared else {}
    dev.ec2_says("describe_snapshot_attribute", {"SnapshotId": DISK, **can}, {"SnapshotId": DISK, "Attribute": "createVolumePermission"})
    dev.ec2_says("describe_snapshots", {"Snapshots": [{"SnapshotId": DISK, **disk}]}, {"SnapshotIds": [DISK]})


def key(dev: Side, policy: dict[str, Any], grants: list[dict[str, Any]], manager: str = "CUSTOMER") -> None:
    dev.kms_says("describe_key", {"KeyMetadata": {"KeyId": "k", "Arn": KEY, "KeyManager": manager}}, {"KeyId": KEY})
    if manager == "CUSTOMER":
        dev.kms_says("get_key_policy", {"Policy": json.dumps(policy)}, {"KeyId": KEY, "PolicyName": "default"})
        dev.kms_says("list_grants", {"Grants": grants, "Truncated": False}, {"KeyId": KEY, "GranteePrincipal": ROLE})


def missing(dev: Side, prod: Side) -> list[image_shares.Step]:
    return image_shares.missing(dev.end, prod.end, {"twine": IMAGE}, lambda end: {"dev": dev, "prod": prod}[end.name].kms)


def done(*sides: Side) -> None:
    for side in sides:
        for stub in side.stubs.values():
            stub.assert_no_pending_responses()


def policy_of(prod: Side) -> dict[str, Any]:
    return image_shares.with_statements({"Version": "2012-10-17", "Statement": [OWN]}, image_shares._statements(prod.end, KEY))


def test_image_snapshot_policy_and_grant_are_written_the_key_first(dev: Side, prod: Side) -> None:
    image(dev, prod, Encrypted=True, KmsKeyId=KEY)
    key(dev, {"Version": "2012-10-17", "Statement": [OWN]}, [])
    steps = missing(dev, prod)
    done(dev, prod)

    assert [step.what.split(" of ")[0].split(" on ")[0] for step in steps] == [
        "the policy",
        "a grant",
        f"tag twine:shared-with:{PROD}",
        "launch permission",
        "volume permission",
    ]
    dev.kms_says("put_key_policy", {}, {"KeyId": KEY, "PolicyName": "default", "Policy": json.dumps(policy_of(prod))})
    grant = {"KeyId": KEY, "GranteePrincipal": ROLE, "Operations": image_shares.GRANTED, "Name": "twine-auto-scaling"}
    prod.kms_says("create_grant", {"GrantId": "g"}, grant)
    dev.ec2_says("create_tags", {}, {"Resources": [IMAGE], "Tags": [{"Key": f"twine:shared-with:{PROD}", "Value": "prod"}]})
    dev.ec2_says("modify_image_attribute", {}, {"ImageId": IMAGE, "LaunchPermission": {"Add": WHO}})
    asked = {"SnapshotId": DISK, "Attribute": "createVolumePermission", "CreateVolumePermission": {"Add": WHO}}
    dev.ec2_says("modify_snapshot_attribute", {}, asked)
    image_shares.write(dev.end, prod.end, steps)
    done(dev, prod)


def test_the_policy_lets_the_account_use_the_key_and_grant_it_to_its_groups_and_to_services_only(prod: Side) -> None:
    policy = policy_of(prod)
    own, use, disks, groups = policy["Statement"]

    assert own == OWN and policy["Version"] == "2012-10-17"
    assert {statement["Principal"]["AWS"] for statement in (use, disks, groups)} == {f"arn:aws:iam::{PROD}:root"}
    assert "kms:CreateGrant" not in use["Action"] and "kms:Decrypt" in use["Action"]
    assert disks["Condition"] == {"Bool": {"kms:GrantIsForAWSResource": "true"}}
    assert groups["Condition"] == {"StringEquals": {"kms:GranteePrincipal": ROLE}}


@pytest.mark.parametrize("extra", [[], [{"Sid": "Late", "Effect": "Allow", "Principal": "*", "Action": "kms:DescribeKey", "Resource": "*"}]])
def test_what_is_there_is_not_written_again(dev: Side, prod: Side, extra: list[Any]) -> None:
    image(dev, prod, shared=True, Encrypted=True, KmsKeyId=KEY)
    policy = policy_of(prod)
    key(dev, policy | {"Statement": [*policy["Statement"], *extra]}, [{"Operations": image_shares.GRANTED}])

    assert missing(dev, prod) == []
    done(dev, prod)


@pytest.mark.parametrize(("granted", "only"), [(["Decrypt"], {}), (image_shares.GRANTED, {"Constraints": {"EncryptionContextEquals": {"a": "b"}}})])
def test_a_grant_that_allows_less_is_none(dev: Side, prod: Side, granted: list[str], only: dict[str, Any]) -> None:
    image(dev, prod, shared=True, Encrypted=True, KmsKeyId=KEY)
    key(dev, policy_of(prod), [{"Operations": granted, **only}])

    assert [step.what for step in missing(dev, prod)] == [f"a grant on key {KEY}"]


def test_a_statement_of_another_account_or_somebody_elses_stays_and_an_old_one_is_replaced(prod: Side) -> None:
    other = image_shares._statements(End("bastion", "333333333333", "eu-west-2", None), KEY)
    old = image_shares._statements(prod.end, KEY)
    policy = {"Id": "x", "Statement": [OWN, *other, old[0] | {"Action": "kms:*"}]}

    assert image_shares.with_statements(policy, old) == {"Id": "x", "Statement": [OWN, *other, *old]}
    assert image_shares.with_statements({"Statement": OWN}, old) == {"Statement": [OWN, *old]}


def test_an_image_that_is_not_encrypted_needs_no_key(dev: Side, prod: Side) -> None:
    image(dev, prod, Encrypted=False)

    assert len(missing(dev, prod)) == 3
    done(dev, prod)


def test_awss_own_key_is_refused_before_the_first_write(dev: Side, prod: Side) -> None:
    image(dev, prod, Encrypted=True, KmsKeyId=KEY)
    key(dev, {}, [], manager="AWS")
    with pytest.raises(Failure) as refused:
        missing(dev, prod)
    assert str(refused.value) == (
        f"Failed to share snapshot {DISK}: AWS's own key of account dev encrypts it, and nobody can share that key. "
        "Bake the image under a key of your own (bake_kms_key_id), and make a release of it."
    )
    done(dev, prod)


def test_an_image_that_the_account_owns_is_not_shared_with_it(dev: Side, prod: Side) -> None:
    prod.ec2_says("describe_images", {"Images": [{"ImageId": IMAGE, "OwnerId": PROD}]}, {"Filters": ANY, "Owners": ["self"]})

    assert missing(dev, prod) == []
    done(dev, prod)


def test_an_image_that_the_source_does_not_own_is_refused(dev: Side, prod: Side) -> None:
    for side in (prod, dev):
        side.ec2_says("describe_images", {"Images": []}, {"Filters": ANY, "Owners": ["self"]})
    with pytest.raises(Failure, match=rf"Failed to share image twine {IMAGE}: account dev owns none of that id that is available"):
        missing(dev, prod)


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("InvalidArnException", r"prod: the account has no AWSServiceRoleForAutoScaling yet\. Make it \(aws iam create-service-linked-role"),
        ("AccessDeniedException", r"share images of account dev with account prod by a grant on key .*: no\. Check that the credentials"),
    ],
)
def test_a_grant_that_is_refused_says_what_to_do(dev: Side, prod: Side, code: str, told: str) -> None:
    image(dev, prod, shared=True, Encrypted=True, KmsKeyId=KEY)
    key(dev, policy_of(prod), [])
    prod.stubs["kms"].add_client_error("create_grant", code, "no")
    with pytest.raises(Failure, match=told):
        image_shares.write(dev.end, prod.end, missing(dev, prod))


def test_a_policy_that_was_just_written_is_waited_for(prod: Side) -> None:
    prod.stubs["kms"].add_client_error("create_grant", "AccessDeniedException", "not yet")
    prod.kms_says("create_grant", {"GrantId": "g"}, {"KeyId": KEY, "GranteePrincipal": ROLE, "Operations": ANY, "Name": ANY})
    image_shares._make_grant(prod.end, prod.kms, KEY, ROLE, patience=60, pause=0)
    done(prod)
