"""A metadata service and the two secret services, over loopback and with their real wire formats."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

DOCUMENT = {
    "instanceId": "i-0123456789abcdef0",
    "imageId": "ami-0123456789abcdef0",
    "accountId": "111111111111",
    "region": "eu-west-2",
    "availabilityZone": "eu-west-2a",
}
CREDENTIALS = {"Code": "Success", "AccessKeyId": "ASIAEXAMPLE", "SecretAccessKey": "of-the-role", "Token": "session-token"}


@dataclass
class Cloud:
    """What the services know, and what they were asked."""

    leaves: dict[str, bytes]
    secrets: dict[str, str] = field(default_factory=dict)
    parameters: dict[str, str] = field(default_factory=dict)
    failures: dict[str, list[int | str]] = field(default_factory=dict)
    delay: float = 0
    token: str = "token-1"
    url: str = ""
    asked: list[str] = field(default_factory=list)
    signed: list[tuple[Mapping[str, str], bytes]] = field(default_factory=list)

    def user_data(self, *lines: str) -> None:
        self.leaves["user-data"] = "\n".join([*lines, f"AWS_ENDPOINT_URL={self.url}", ""]).encode()

    def next_failure(self, what: str) -> int | str | None:
        """Return the status or error code with which the next such question fails."""
        waiting = self.failures.get(what, [])
        return waiting.pop(0) if waiting else None


class Handler(BaseHTTPRequestHandler):
    """PUT a token, GET a leaf with it, POST a call."""

    protocol_version = "HTTP/1.1"

    @property
    def cloud(self) -> Cloud:
        assert isinstance(self.server, Server)
        return self.server.cloud

    def do_PUT(self) -> None:
        time.sleep(self.cloud.delay)
        status = self.cloud.next_failure("token") or (200 if self.headers["X-aws-ec2-metadata-token-ttl-seconds"] else 400)
        self.answer(int(status), self.cloud.token.encode())

    def do_GET(self) -> None:
        time.sleep(self.cloud.delay)
        path = self.path.removeprefix("/latest/")
        self.cloud.asked.append(path)
        if status := self.cloud.next_failure(path):
            self.answer(int(status), b"")
        elif self.headers["X-aws-ec2-metadata-token"] != self.cloud.token:
            self.answer(401, b"")
        elif path not in self.cloud.leaves:
            self.answer(404, b"")
        else:
            self.answer(200, self.cloud.leaves[path])

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.cloud.signed.append((dict(self.headers), body))
        action = self.headers["X-Amz-Target"].partition(".")[2]
        wish = json.loads(body)
        name = wish.get("SecretId") or wish["Name"]
        self.cloud.asked.append(f"{action} {name}")
        if code := self.cloud.next_failure(name):
            self.fail(str(code))
        elif action == "PutParameter":
            self.cloud.parameters[name] = wish["Value"]
            self.answer(200, b'{"Version": 1}')
        elif action == "GetSecretValue" and name in self.cloud.secrets:
            self.answer(200, json.dumps({"SecretString": self.cloud.secrets[name]}).encode())
        elif action == "GetParameter" and name in self.cloud.parameters:
            self.answer(200, json.dumps({"Parameter": {"Value": self.cloud.parameters[name]}}).encode())
        else:
            self.fail("ResourceNotFoundException" if action == "GetSecretValue" else "ParameterNotFound")

    def fail(self, code: str) -> None:
        self.answer(400, json.dumps({"__type": f"com.amazonaws#{code}", "message": "no"}).encode())

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """All the services at one address, as AWS_ENDPOINT_URL has them."""

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.cloud = cloud
        cloud.url = f"http://127.0.0.1:{self.server_port}"
