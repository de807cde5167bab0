"""A machine is configured from real HTTP answers of the services' documented form, or it says why not and is not."""

from __future__ import annotations

import json
import stat
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from twine_machine.boot_record import stamp
from twine_machine.configure import configure
from twine_machine.errors import ConfigurationError
from twine_machine.files import write
from twine_machine.user_data import environment_file, parse, secret_file

TOKEN = "a-session-token"


class Account(BaseHTTPRequestHandler):
    """Metadata, Secrets Manager and Parameter Store of one account; what they hold is set by each test."""

    user_data = ""
    secrets: ClassVar[dict[str, str]] = {}
    parameters: ClassVar[dict[str, str]] = {}
    failures: ClassVar[list[tuple[int, str]]] = []
    seen: ClassVar[list[dict[str, str]]] = []

    def log_message(self, *_: object) -> None:
        """Keeps the tests' output quiet."""

    def answer(self, status: int, body: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body.encode())))
        self.end_headers()
        self.wfile.write(body.encode())

    def do_PUT(self) -> None:
        wanted = self.headers.get("X-aws-ec2-metadata-token-ttl-seconds")
        self.answer(200 if wanted else 400, TOKEN)

    def do_GET(self) -> None:
        paths = {
            "/latest/user-data": self.user_data,
            "/latest/meta-data/instance-id": "i-0123456789abcdef0",
            "/latest/meta-data/placement/region": "eu-west-2",
            "/latest/meta-data/iam/security-credentials/": "machine\n",
            "/latest/meta-data/iam/security-credentials/machine": json.dumps({"AccessKeyId": "AKIA", "SecretAccessKey": "key", "Token": "session"}),
        }
        if self.headers.get("X-aws-ec2-metadata-token") != TOKEN:
            self.answer(401, "")
        elif not paths.get(self.path):
            self.answer(404, "")
        else:
            self.answer(200, paths[self.path])

    def do_POST(self) -> None:
        payload = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.seen.append(dict(self.headers))
        if self.failures:
            status, kind = self.failures.pop(0)
            self.answer(status, json.dumps({"__type": kind}))
            return
        if self.headers["X-Amz-Target"] == "secretsmanager.GetSecretValue":
            found: Any = self.secrets.get(payload["SecretId"])
            body = {"SecretString": found}
        else:
            found = self.parameters.get(payload["Name"])
            body = {"Parameter": {"Value": found}}
        self.answer(200 if found else 400, json.dumps(body if found else {"__type": "ResourceNotFoundException"}))


@pytest.fixture
def account() -> Iterator[str]:
    served = ThreadingHTTPServer(("127.0.0.1", 0), Account)
    threading.Thread(target=served.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{served.server_address[1]}"
    Account.user_data = f"TWINE_ENVIRONMENT=dev\nTWINE_DATABASE_SECRET_ARN=arn:db\nTWINE_SEARCH_CA_PARAMETER=/ca\nAWS_ENDPOINT_URL={url}\n"
    Account.secrets, Account.parameters = {"arn:db": '{"username": "twine"}'}, {"/ca": "certificate"}
    Account.failures, Account.seen = [], []
    yield url
    served.shutdown()


def run(url: str, folder: Path, patience: float = 5.0) -> str:
    return configure(given=folder / "absent", folder=folder / "machine", metadata_address=url, patience=patience)


def test_a_machine_learns_who_it_is_and_fetches_what_is_named(account: str, tmp_path: Path) -> None:
    assert "i-0123456789abcdef0, 2 secrets" in run(account, tmp_path)
    written = (tmp_path / "machine" / "machine.env").read_text()
    assert 'TWINE_ENVIRONMENT="dev"\n' in written and 'AWS_REGION="eu-west-2"\n' in written and 'MACHINE_ID="i-0123456789abcdef0"\n' in written
    assert (tmp_path / "machine" / "secrets" / "database").read_text() == '{"username": "twine"}'
    assert (tmp_path / "machine" / "secrets" / "search_ca").read_text() == "certificate"


def test_secrets_are_closed_to_others_and_stay_out_of_the_environment(account: str, tmp_path: Path) -> None:
    run(account, tmp_path)
    secret = tmp_path / "machine" / "secrets" / "database"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o640
    assert "username" not in (tmp_path / "machine" / "machine.env").read_text()


def test_requests_are_signed_for_their_service_with_the_session_token(account: str, tmp_path: Path) -> None:
    run(account, tmp_path)
    assert {"secretsmanager" in headers["Authorization"] for headers in Account.seen} == {True, False}
    assert all("/eu-west-2/" in headers["Authorization"] and headers["X-Amz-Security-Token"] == "session" for headers in Account.seen)


def test_boot_stages_are_stamped_in_order(account: str, tmp_path: Path) -> None:
    run(account, tmp_path)
    stages = json.loads((tmp_path / "machine" / "boot.json").read_text())
    assert 0 < stages["configure_begins"] <= stages["configured"]


def test_throttling_is_waited_out(account: str, tmp_path: Path) -> None:
    Account.failures = [(400, "ThrottlingException"), (500, "InternalServiceError")]
    run(account, tmp_path)
    assert (tmp_path / "machine" / "secrets" / "database").exists()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"secrets": {}}, "arn:db: secretsmanager answered ResourceNotFoundException"),
        ({"parameters": {}}, "/ca: ssm answered ResourceNotFoundException"),
        ({"failures": [(400, "AccessDeniedException")]}, "secretsmanager answered AccessDeniedException"),
        ({"user_data": ""}, "user-data: it answered 404"),
        ({"user_data": "#!/bin/sh\nrm -rf /\n"}, "line 2: it is not KEY=VALUE"),
    ],
)
def test_a_machine_that_cannot_be_configured_says_why_and_writes_nothing(account: str, tmp_path: Path, change: dict[str, Any], says: str) -> None:
    for name, value in change.items():
        setattr(Account, name, value)
    with pytest.raises(ConfigurationError, match=says):
        run(account, tmp_path)
    assert not (tmp_path / "machine" / "machine.env").exists() and not (tmp_path / "machine" / "secrets").exists()


def test_an_image_of_another_role_is_refused(account: str, tmp_path: Path) -> None:
    Account.user_data += "MACHINE_ROLE=nosuchrole\n"
    with pytest.raises(ConfigurationError, match="no such group"):
        run(account, tmp_path)
    assert not (tmp_path / "machine" / "machine.env").exists()


def test_a_metadata_service_that_is_away_ends_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="metadata service for api/token"):
        run("http://127.0.0.1:9", tmp_path, patience=0.3)


def test_a_file_is_the_configuration_where_there_is_one(tmp_path: Path) -> None:
    given = tmp_path / "machine.env"
    given.write_text("TWINE_ENVIRONMENT=dev\n")
    assert str(given) in configure(given=given, folder=tmp_path / "machine", metadata_address="http://127.0.0.1:9")
    assert not (tmp_path / "machine" / "machine.env").exists()


def test_values_reach_systemd_as_they_were() -> None:
    assert environment_file({"A": 'say "hi" \\ $HOME'}) == 'A="say \\"hi\\" \\\\ $HOME"\n'


@pytest.mark.parametrize("line", ["no value", "lower=x", "A B=x", "A=\x07", "=x"])
def test_a_line_that_is_none_is_refused_without_repeating_it(line: str) -> None:
    with pytest.raises(ConfigurationError, match="line 1") as refused:
        parse(line)
    assert line not in str(refused.value)


@pytest.mark.parametrize(
    ("key", "file"),
    [
        ("TWINE_DATABASE_SECRET_ARN", "database"),
        ("MACHINE_X_PARAMETER", "x"),
        ("SEARCH_CA_PARAMETER", "search_ca"),
        ("TWINE_SEARCH_URL", None),
    ],
)
def test_a_keys_ending_says_whether_it_names_a_secret(key: str, file: str | None) -> None:
    assert secret_file(key) == file


def test_a_file_is_whole_or_not_there(tmp_path: Path) -> None:
    with pytest.raises(UnicodeEncodeError):
        write(tmp_path / "secret", "\udcff", 0o640)
    assert list(tmp_path.iterdir()) == []


def test_a_stage_keeps_its_first_stamp(tmp_path: Path) -> None:
    stamp(tmp_path, "kernel", 1.0)
    stamp(tmp_path, "kernel", 9.0)
    assert json.loads((tmp_path / "boot.json").read_text()) == {"kernel": 1.0}
