"""A login's new password, by the calls that are really made."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from ansible_collections.twine.platform.plugins.module_utils._aws.errors import Failure
from ansible_collections.twine.platform.plugins.module_utils._aws.login import Login, read_login, rotate_login

NAME = "/twine/dev/database_application"
VERSION, NEXT = "0" * 32, "1" * 32
SECRET = json.dumps({"username": "twine_application", "password": "old"})


@pytest.fixture
def secrets() -> Any:
    return boto3.client("secretsmanager", region_name="eu-west-2", aws_access_key_id="x", aws_secret_access_key="x")


def test_the_user_stays_and_the_password_is_another(secrets: Any) -> None:
    with Stubber(secrets) as stub:
        stub.add_response("get_random_password", {"RandomPassword": "new"}, {"PasswordLength": 40, "ExcludePunctuation": True})
        written = {"SecretId": NAME, "SecretString": json.dumps({"username": "twine_application", "password": "new"})}
        stub.add_response("put_secret_value", {"VersionId": NEXT}, written)
        assert rotate_login(secrets, "dev", NAME, Login("twine_application", VERSION)) == Login("twine_application", NEXT)
        stub.assert_no_pending_responses()


def test_a_login_says_whose_it_is_and_keeps_its_password(secrets: Any) -> None:
    with Stubber(secrets) as stub:
        stub.add_response("get_secret_value", {"SecretString": SECRET, "VersionId": VERSION}, {"SecretId": NAME})
        found = read_login(secrets, "dev", NAME)
    assert found == Login("twine_application", VERSION) and "old" not in repr(found)


@pytest.mark.parametrize("text", ["plain", "[]", '{"username": "a"}', '{"username": "a", "password": ""}'])
def test_what_is_no_login_is_not_rotated(secrets: Any, text: str) -> None:
    with Stubber(secrets) as stub:
        stub.add_response("get_secret_value", {"SecretString": text, "VersionId": VERSION}, {"SecretId": NAME})
        with pytest.raises(Failure, match=f"Failed to read the secret {NAME} of account dev: it is not of the form"):
            read_login(secrets, "dev", NAME)


def test_who_may_not_is_told_so(secrets: Any) -> None:
    with Stubber(secrets) as stub:
        stub.add_client_error("get_random_password", "AccessDeniedException", "You may not")
        with pytest.raises(Failure, match=f"rotate the secret {NAME} of account dev: You may not. Check that the credentials"):
            rotate_login(secrets, "dev", NAME, Login("twine_application", VERSION))
