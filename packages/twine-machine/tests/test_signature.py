"""The signature, against botocore's own."""

from __future__ import annotations

from datetime import UTC, datetime

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import pytest
from twine_machine.signature import Credentials, sign

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("host", "service", "body"),
    [
        ("secretsmanager.eu-west-2.amazonaws.com", "secretsmanager", b'{"SecretId": "a"}'),
        ("169.254.169.254:4566", "ssm", '{"Name": "/ä/ö"}'.encode()),
    ],
)
def test_the_signature_is_botocores(monkeypatch: pytest.MonkeyPatch, host: str, service: str, body: bytes) -> None:
    headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "Some.Action"}
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: NOW)
    request = botocore.awsrequest.AWSRequest("POST", f"https://{host}/", headers=headers, data=body)
    credentials = botocore.credentials.Credentials("ASIAEXAMPLE", "of-the-role", "session-token")
    botocore.auth.SigV4Auth(credentials, service, "eu-west-2").add_auth(request)

    ours = sign(host, headers, body, Credentials("ASIAEXAMPLE", "of-the-role", "session-token"), "eu-west-2", service, NOW)

    assert ours["Authorization"] == request.headers["Authorization"]
    assert ours["X-Amz-Date"] == request.headers["X-Amz-Date"]
