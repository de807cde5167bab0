"""A login in Secrets Manager, `{"username": …, "password": …}`, and another password for it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from .errors import Failure, explain, sentence

LENGTH = 40


@dataclass(frozen=True)
class Login:
    """Whose login it is, and which version of the secret holds it. The password is not kept."""

    username: str
    version: str


def read_login(secrets: Any, account: str, name: str) -> Login:
    """The login that the secret ``name`` holds now; ``secrets`` is a client in ``account``.

    :raises Failure: if there is none.
    """
    try:
        found = secrets.get_secret_value(SecretId=name)
    except Exception as error:
        raise explain(f"read the secret {name} of account", account, error) from error
    try:
        content = json.loads(found.get("SecretString", ""))
        if content["password"]:
            return Login(str(content["username"]), found["VersionId"])
    except (KeyError, TypeError, ValueError):
        pass
    why, remedy = 'it is not of the form {"username": …, "password": …}', "Name a secret that holds a login"
    raise Failure(sentence(f"read the secret {name} of account", account, why, remedy))


def rotate_login(secrets: Any, account: str, name: str, login: Login) -> Login:
    """Give ``login`` of the secret ``name`` a password that Secrets Manager makes; the old one stays there as AWSPREVIOUS.

    https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_PutSecretValue.html

    :raises Failure: if the account does not let us.
    """
    try:
        password = secrets.get_random_password(PasswordLength=LENGTH, ExcludePunctuation=True)["RandomPassword"]
        text = json.dumps({"username": login.username, "password": password})
        return Login(login.username, secrets.put_secret_value(SecretId=name, SecretString=text)["VersionId"])
    except Exception as error:
        raise explain(f"rotate the secret {name} of account", account, error) from error
