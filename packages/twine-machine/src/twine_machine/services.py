"""Secrets Manager and Parameter Store: the three calls that a machine makes."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from twine_machine import web
from twine_machine.errors import MachineError, NotYet
from twine_machine.patience import Patience
from twine_machine.signature import Credentials, sign
from twine_machine.wanted import Wanted

TARGETS = {
    "GetSecretValue": ("secretsmanager", "secretsmanager"),
    "GetParameter": ("ssm", "AmazonSSM"),
    "PutParameter": ("ssm", "AmazonSSM"),
}
# Asking again cannot help: the question itself is wrong.
HOPELESS = ("ValidationException", "InvalidParameterException", "ParameterMaxVersionLimitExceeded", "InvalidKeyId")


class Services:
    """Calls in the name of the instance's role. `endpoint` stands for all services when it is given."""

    def __init__(self, patience: Patience, credentials: Callable[[], Credentials], region: str, endpoint: str = "") -> None:
        self._patience = patience
        self._new_credentials = credentials
        self._credentials: Credentials | None = None
        self._region = region
        self._endpoint = endpoint

    def fetch(self, item: Wanted) -> str:
        """Return the value of a secret or a parameter."""
        what = f"fetch the {item.kind} {item.name} ({item.key})"
        if item.kind == "parameter":
            value = self._call(what, "GetParameter", {"Name": item.name, "WithDecryption": True}).get("Parameter")
            value = value.get("Value") if isinstance(value, dict) else None
        else:
            answer = self._call(what, "GetSecretValue", {"SecretId": item.name}, _region_of(item.name))
            binary = answer.get("SecretBinary")
            value = base64.b64decode(str(binary)).decode() if binary else answer.get("SecretString")
        if not isinstance(value, str) or not value:
            raise MachineError(f"Failed to {what}: it is empty. Give it a value.")
        return value

    def publish(self, name: str, value: str) -> None:
        """Make `value` the parameter's."""
        wish = {"Name": name, "Value": value, "Type": "String", "Overwrite": True}
        self._call(f"publish the parameter {name}", "PutParameter", wish)

    def _call(self, what: str, action: str, wish: Mapping[str, object], region: str = "") -> dict[str, object]:
        service, family = TARGETS[action]
        body = json.dumps(wish).encode()
        headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": f"{family}.{action}"}
        region = region or self._region
        server = web.address(self._endpoint or f"https://{service}.{region}.{_domain(region)}")
        remedy = f"See whether it exists in {region} and the machine's role may {service}:{action} it."

        def attempt(seconds: float) -> dict[str, object]:
            self._credentials = self._credentials or self._new_credentials()
            signed = sign(server.netloc, headers, body, self._credentials, region, service, datetime.now(UTC))
            answer = web.ask(server, "POST", "/", signed, body, seconds)
            return self._understood(answer, f"Failed to {what}", remedy)

        return self._patience.insist(what, remedy, attempt)

    def _understood(self, answer: web.Answer, failed: str, remedy: str) -> dict[str, object]:
        try:
            document = json.loads(answer.body)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise NotYet(f"the service answers {answer.status} with what is no JSON object")
        if answer.status == 200:
            return document
        code = str(document.get("__type", answer.status)).rpartition("#")[2]
        if code in HOPELESS:
            raise MachineError(f"{failed}: {code}. {remedy}")
        # A role's credentials may be refused for seconds after both were made.
        self._credentials = None
        raise NotYet(f"the service answers {code}")


def _region_of(name: str) -> str:
    parts = name.split(":")
    return parts[3] if len(parts) > 6 and parts[0] == "arn" else ""


def _domain(region: str) -> str:
    return "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
