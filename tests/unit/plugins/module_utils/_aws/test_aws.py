"""Errors become sentences with a remedy, and accounts are entered one way only."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ProfileNotFound

from ansible_collections.twine.platform.plugins.module_utils._aws.accounts import Account, Accounts, Operator
from ansible_collections.twine.platform.plugins.module_utils._aws.errors import Failure, explain, sentence
from ansible_collections.twine.platform.plugins.module_utils._stacks.estate import accounts_of

ARN = "arn:aws:iam::111111111111:role/deployer"
GOOD: dict[str, Any] = {"account_id": "111111111111", "account_region": "eu-west-2", "account_role_arn": ARN}


def refused(code: str, message: str = "no") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "AssumeRole")


def test_a_sentence_has_one_full_stop_at_each_end() -> None:
    assert sentence("do", "it", "it broke. ", "Mend it.") == "Failed to do it: it broke. Mend it."


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (refused("AccessDenied"), "external id of the role"),
        (refused("ExpiredToken"), "Log in again"),
        (refused("Throttling"), "lower the option 'parallel'"),
        (refused("Unheard"), "correct its cause"),
        (EndpointConnectionError(endpoint_url="http://x"), "AWS_ENDPOINT_URL"),
        (ProfileNotFound(profile="x"), "Correct the profile's name"),
    ],
)
def test_each_error_has_its_remedy(error: Exception, remedy: str) -> None:
    told = str(explain("assume role", "r", error))
    assert told.startswith("Failed to assume role r: ") and remedy in told


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"account_id": None}, "'account_id' is not set"),
        ({"account_id": 111111111111}, "twelve digits in quotes"),
        ({"account_id": "1111"}, "twelve digits in quotes"),
        ({"account_region": ""}, "'account_region' is not set"),
        ({"account_role_arn": "deployer"}, "Write arn:aws:iam::111111111111:role/"),
        ({"account_role_arn": ARN.replace("111111111111", "222222222222")}, "is in account 222222222222"),
    ],
)
def test_an_account_is_checked_with_host_and_variable(change: dict[str, Any], told: str) -> None:
    with pytest.raises(Failure) as failure:
        accounts_of({"dev": GOOD | change})
    assert "account dev (inventory host_vars/dev)" in str(failure.value) and told in str(failure.value)


def test_two_accounts_are_two() -> None:
    with pytest.raises(Failure, match="accounts dev and prod have the same account_id"):
        accounts_of({"dev": GOOD, "prod": GOOD})


class Session:
    """A boto3 session that hands out itself and remembers what it was asked."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.assumed: list[dict[str, Any]] = []
        self.made: list[dict[str, Any]] = []

    def client(self, service: str, **options: Any) -> Any:
        self.made.append({"service": service, **options})
        return self

    def assume_role(self, **request: Any) -> dict[str, Any]:
        self.assumed.append(request)
        number = len(self.assumed)
        expires = datetime.now(UTC) + timedelta(seconds=self.seconds)
        return {"Credentials": {"AccessKeyId": f"k{number}", "SecretAccessKey": "s", "SessionToken": "t", "Expiration": expires}}


def entered(session: Session, **facts: Any) -> Accounts:
    account = Account("dev", "111111111111", "eu-west-2", ARN, **facts)
    accounts = Accounts({"dev": account}, Operator())
    accounts._sessions[""] = session
    return accounts


def test_the_role_is_assumed_once_with_its_external_id() -> None:
    session = Session(3600)
    accounts = entered(session, external_id="x-1234567")
    assert accounts.client("dev", "cloudformation") is accounts.client("dev", "cloudformation")
    accounts.client("dev", "autoscaling")
    assert [request["ExternalId"] for request in session.assumed] == ["x-1234567"]
    assert {made.get("aws_access_key_id") for made in session.made if made["service"] != "sts"} == {"k1"}


def test_a_session_is_renewed_before_it_ends() -> None:
    session = Session(500)
    accounts = entered(session)
    accounts.client("dev", "cloudformation")
    accounts.client("dev", "cloudformation")
    assert len(session.assumed) == 2


def test_retries_are_adaptive_and_bounded() -> None:
    session = Session(3600)
    entered(session, endpoint_url="http://e").client("dev", "cloudformation")
    made = session.made[-1]
    assert made["config"].retries == {"mode": "adaptive", "total_max_attempts": 10} and made["endpoint_url"] == "http://e"


@pytest.mark.parametrize(
    ("account", "source", "told"),
    [
        (Account("dev", "1", "r", ""), "role", "'account_role_arn' is empty"),
        (Account("dev", "1", "r", ARN), "account", "'account_admin_profile' is not set"),
        (Account("dev", "1", "r", ARN, admin_profile="no-such-profile"), "account", "no-such-profile"),
    ],
)
def test_an_account_without_a_way_in_is_told(account: Account, source: Any, told: str) -> None:
    with pytest.raises(Failure, match=told):
        Accounts({"dev": account}, Operator()).client("dev", "cloudformation", source)
