"""The instance metadata service, version 2.

https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-service.html
"""

from __future__ import annotations

import json
import os
import time
import urllib.error
import urllib.request
from typing import Any

from .errors import ConfigurationError

ADDRESS = "http://169.254.169.254"
TOKEN_SECONDS = 300


class Metadata:
    """Asks the service at ``address`` with a session token; patient until ``deadline`` (on the monotonic clock)."""

    def __init__(self, deadline: float, address: str = "") -> None:
        self.address = (address or os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT") or ADDRESS).rstrip("/")
        self._deadline = deadline
        self._token = ""

    def get(self, path: str) -> str:
        """The text at ``/latest/<path>``.

        :raises ConfigurationError: if there is none, or the service does not answer in time.
        """
        if not self._token:
            self._token = self._ask("PUT", "api/token", {"X-aws-ec2-metadata-token-ttl-seconds": str(TOKEN_SECONDS)})
        return self._ask("GET", path, {"X-aws-ec2-metadata-token": self._token})

    def credentials(self) -> dict[str, Any]:
        """Credentials of the instance's role: AccessKeyId, SecretAccessKey, Token."""
        role = self.get("meta-data/iam/security-credentials/").split()
        if not role:
            raise ConfigurationError("Failed to get credentials: the instance has no role. Give the launch template an instance profile.")
        found: dict[str, Any] = json.loads(self.get(f"meta-data/iam/security-credentials/{role[0]}"))
        return found

    def _ask(self, method: str, path: str, headers: dict[str, str]) -> str:
        request = urllib.request.Request(f"{self.address}/latest/{path}", method=method, headers=headers)
        pause = 0.1
        while True:
            try:
                with urllib.request.urlopen(request, timeout=5) as answer:
                    return str(answer.read().decode())
            except urllib.error.HTTPError as error:
                why = f"it answered {error.code}"
                if error.code in (400, 403, 404):
                    raise ConfigurationError(_failure(path, why)) from None
            except OSError as error:
                why = str(getattr(error, "reason", error))
            if time.monotonic() + pause > self._deadline:
                raise ConfigurationError(_failure(path, why))
            time.sleep(pause)
            pause = min(2 * pause, 5.0)


def _failure(path: str, why: str) -> str:
    return f"Failed to ask the metadata service for {path}: {why}. See that metadata is enabled and the instance has what it asks for."
