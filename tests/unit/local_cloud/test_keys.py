"""Another account's key is used as far as its policy goes, and by groups as far as a grant goes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from ministack.services import kms

from local_cloud.plugin import emulator, keys
from local_cloud.plugin.requests import Refused, Request
from tests.unit.local_cloud.estate import DEV

PROD = "222222222222"
ROLE = f"arn:aws:iam::{PROD}:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"
USE = ["kms:Decrypt", "kms:DescribeKey"]
DISKS = {"Action": "kms:CreateGrant", "Condition": {"Bool": {"kms:GrantIsForAWSResource": "true"}}}
GROUPS = {"Action": "kms:CreateGrant", "Condition": {"StringEquals": {"kms:GranteePrincipal": ROLE}}}


@pytest.fixture(autouse=True)
def empty() -> None:
    for store in (kms._keys, kms._grants):
        store._data.clear()


def key_of(account: str, *statements: Mapping[str, Any]) -> str:
    """A key of an account whose policy says this of prod; its ARN."""
    common = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{PROD}:root"}, "Resource": "*"}
    with emulator.scope(account):
        policy = json.dumps({"Version": "2012-10-17", "Statement": [{**common, **one} for one in statements]})
        return str(json.loads(kms._create_key({"Policy": policy})[2])["KeyMetadata"]["Arn"])


def ask(account: str, action: str, **given: Any) -> dict[str, Any]:
    token = emulator._request.set(Request("kms", action, given))
    try:
        with emulator.scope(account):
            status, _headers, body = {"CreateGrant": keys.create_grant, "DescribeKey": keys.describe}[action]({})
    finally:
        emulator._request.reset(token)
    assert status == 200, body
    found: dict[str, Any] = json.loads(body)
    return found


def grant(key: str, account: str = PROD, to: str = ROLE) -> str:
    return str(ask(account, "CreateGrant", KeyId=key, GranteePrincipal=to, Operations=sorted(keys._LAUNCH), Name="n")["GrantId"])


@pytest.mark.parametrize(
    ("statements", "opens"), [([], False), ([{"Action": USE}], False), ([{"Action": USE}, GROUPS], False), ([{"Action": USE}, DISKS], True)]
)
def test_a_machine_needs_use_of_the_key_and_grants_for_its_disk(statements: list[dict[str, Any]], opens: bool) -> None:
    key = key_of(DEV, *statements)
    with emulator.scope(PROD):
        assert keys.opens(DEV, key.rpartition("/")[2], by_group=False) is opens


def test_a_group_needs_a_grant_for_its_role_and_the_owner_sees_it() -> None:
    key = key_of(DEV, {"Action": USE}, GROUPS)
    with emulator.scope(PROD):
        assert not keys.opens(DEV, key, by_group=True)
    assert grant(key) == grant(key)
    with emulator.scope(PROD):
        assert keys.opens(DEV, key, by_group=True) and not list(kms._grants.values())
    with emulator.scope(DEV):
        assert [one["GranteePrincipal"] for one in json.loads(kms._list_grants({"KeyId": key})[2])["Grants"]] == [ROLE]


@pytest.mark.parametrize(("statement", "to"), [({"Action": USE}, ROLE), (GROUPS, f"arn:aws:iam::{PROD}:role/other"), (DISKS, ROLE)])
def test_a_grant_that_the_policy_does_not_let_an_account_make_is_refused(statement: dict[str, Any], to: str) -> None:
    key = key_of(DEV, statement)
    with pytest.raises(Refused, match=r"is not authorized to perform: kms:CreateGrant"):
        grant(key, to=to)


def test_an_account_grants_its_own_key_as_before() -> None:
    key = key_of(PROD, {"Action": "kms:*"})
    assert grant(key) == grant(key.rpartition("/")[2])


def test_awss_own_key_says_that_it_is_no_customers() -> None:
    own = key_of(DEV, {"Action": "kms:*"})
    managers = [ask(DEV, "DescribeKey", KeyId=key)["KeyMetadata"]["KeyManager"] for key in (own, keys.DEFAULT)]
    assert managers == ["CUSTOMER", "AWS"]
