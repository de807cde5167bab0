"""Secrets Manager and Parameter Store, with the signature of botocore and nothing else of it: loading service models costs seconds.

https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html
https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameter.html
"""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from .errors import ConfigurationError

TARGETS = {"secretsmanager": "secretsmanager.", "ssm": "AmazonSSM."}
WORTH_ANOTHER_TRY = {"ThrottlingException", "InternalServiceError", "InternalServerError", "ServiceUnavailable", "RequestExpired"}


class Account:
    """The services of the account a machine is in, as the machine's own role; patient until ``deadline`` (monotonic clock)."""

    def __init__(self, region: str, credentials: dict[str, Any], deadline: float, endpoint: str = "") -> None:
        self._region = region
        self._credentials = Credentials(credentials["AccessKeyId"], credentials["SecretAccessKey"], credentials.get("Token"))
        self._deadline = deadline
        self._endpoint = endpoint

    def secret(self, name: str) -> str:
        """The current value of the secret ``name`` (name or ARN)."""
        return str(self._call("secretsmanager", "GetSecretValue", {"SecretId": name}, name)["SecretString"])

    def parameter(self, name: str) -> str:
        """The value of the parameter ``name``, decrypted."""
        return str(self._call("ssm", "GetParameter", {"Name": name, "WithDecryption": True}, name)["Parameter"]["Value"])

    def _call(self, service: str, action: str, payload: dict[str, Any], name: str) -> dict[str, Any]:
        pause = 0.2
        while True:
            try:
                return self._send(service, action, payload)
            except urllib.error.HTTPError as error:
                kind = _kind(error)
                why = f"{service} answered {kind}"
                if kind not in WORTH_ANOTHER_TRY:
                    raise ConfigurationError(_failure(name, why)) from None
            except OSError as error:
                why = str(getattr(error, "reason", error))
            if time.monotonic() + pause > self._deadline:
                raise ConfigurationError(_failure(name, why))
            time.sleep(pause)
            pause = min(2 * pause, 5.0)

    def _send(self, service: str, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        url = (self._endpoint or f"https://{service}.{self._region}.amazonaws.com").rstrip("/") + "/"
        body = json.dumps(payload)
        headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": TARGETS[service] + action}
        signed = AWSRequest(method="POST", url=url, data=body, headers=headers)
        SigV4Auth(self._credentials, service, self._region).add_auth(signed)
        request = urllib.request.Request(url, data=body.encode(), headers=dict(signed.headers), method="POST")
        with urllib.request.urlopen(request, timeout=10) as answer:
            found: dict[str, Any] = json.load(answer)
            return found


def _kind(error: urllib.error.HTTPError) -> str:
    """The error's type as the service names it; the body is read for nothing else, and never repeated."""
    try:
        return str(json.load(error).get("__type", error.code)).split("#")[-1]
    except ValueError:
        return str(error.code)


def _failure(name: str, why: str) -> str:
    return f"Failed to fetch {name}: {why}. Let the instance's role read it, and see that it has a value."
