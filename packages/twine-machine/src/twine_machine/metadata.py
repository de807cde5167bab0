"""The instance metadata service, version 2 only.

https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-service.html
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from twine_machine import web
from twine_machine.errors import MachineError, NotYet
from twine_machine.patience import Patience
from twine_machine.signature import Credentials

Value = TypeVar("Value")

ENDPOINT = "http://169.254.169.254"
TOKEN_SECONDS = "300"
REMEDY = "See whether the instance has metadata version 2 enabled and can reach the service."


@dataclass(frozen=True)
class Instance:
    """Who this machine is."""

    instance: str
    image: str
    account: str
    region: str
    zone: str


class Metadata:
    """Answers about this instance. Every question is repeated until `patience` ends."""

    def __init__(self, patience: Patience, endpoint: str = "") -> None:
        self._server = web.address(endpoint or ENDPOINT)
        self._patience = patience
        self._token = ""

    def user_data(self) -> str:
        """Return the user data, which must be text."""
        found = self._get("user-data")
        if found is None:
            raise MachineError("Failed to read the user data: this instance has none. Launch it with KEY=VALUE lines as its user data.")
        try:
            return found.decode()
        except UnicodeDecodeError:
            raise MachineError("Failed to read the user data: it is no UTF-8 text. Launch with plain KEY=VALUE lines, not compressed.") from None

    def instance(self) -> Instance:
        """Return the identity document's gist."""

        def read(body: bytes) -> Instance:
            document = json.loads(body)
            names = ("instanceId", "imageId", "accountId", "region", "availabilityZone")
            return Instance(*(str(document[name]) for name in names))

        return self._understand("dynamic/instance-identity/document", read)

    def public_key(self) -> str | None:
        """Return the public key that the instance was launched with, or None."""
        found = self._get("meta-data/public-keys/0/openssh-key")
        return found.decode(errors="replace").strip() if found else None

    def credentials(self) -> Credentials:
        """Return the credentials of the instance's role."""
        folder = "meta-data/iam/security-credentials/"
        roles = self._get(folder)
        if not roles or not roles.strip():
            raise MachineError("Failed to get credentials: this instance has no role. Launch it with an instance profile.")

        def read(body: bytes) -> Credentials:
            document = json.loads(body)
            if document["Code"] != "Success":
                raise NotYet(f"the metadata service says {document['Code']}")
            return Credentials(str(document["AccessKeyId"]), str(document["SecretAccessKey"]), str(document["Token"]))

        return self._understand(folder + roles.decode().split()[0], read)

    def _understand(self, path: str, read: Callable[[bytes], Value]) -> Value:
        """Get a document that must be there, and read it; one that makes no sense is asked for again."""

        def attempt(seconds: float) -> Value:
            body = self._try(path, seconds)
            if body is None:
                raise NotYet("it is not there")
            try:
                return read(body)
            except (ValueError, KeyError, TypeError):
                raise NotYet("what is there is not understood") from None

        return self._patience.insist(f"read {path} of the metadata service", REMEDY, attempt)

    def _get(self, path: str) -> bytes | None:
        return self._patience.insist(f"read {path} of the metadata service", REMEDY, lambda seconds: self._try(path, seconds))

    def _try(self, path: str, seconds: float) -> bytes | None:
        if not self._token:
            self._token = self._new_token(seconds)
        answer = web.ask(self._server, "GET", f"/latest/{path}", {"X-aws-ec2-metadata-token": self._token}, None, seconds)
        if answer.status == 200:
            return answer.body
        if answer.status == 404:
            return None
        # 401: the token is of another life, or ran out.
        self._token = ""
        raise NotYet(f"{self._server.netloc} answers {answer.status}")

    def _new_token(self, seconds: float) -> str:
        headers = {"X-aws-ec2-metadata-token-ttl-seconds": TOKEN_SECONDS}
        answer = web.ask(self._server, "PUT", "/latest/api/token", headers, None, seconds)
        if answer.status == 403:
            raise MachineError("Failed to use the metadata service: it is switched off for this instance. Launch with HttpEndpoint=enabled.")
        if answer.status != 200:
            raise NotYet(f"{self._server.netloc} answers {answer.status} when asked for a token")
        return answer.body.decode()
