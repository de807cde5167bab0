"""A plain emulator in a container of its own, four accounts in it, and an operator who may only assume roles."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from tests.scenarios.stacks.estate import ACCOUNTS, OPERATOR_ACCOUNT, REGION, Cloud
from tools import checkout

LIBRARIES = checkout.BUILD / "local_cloud" / "site-packages"
IMAGE = "twine/base:bookworm"


def docker(*arguments: str) -> str:
    return subprocess.run(["docker", *arguments], check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture(scope="session")
def emulator() -> Iterator[str]:
    """Its endpoint on 127.0.0.1."""
    name = f"{checkout.prefix()}-stacks-{uuid.uuid4().hex[:8]}"
    settings = {"PYTHONPATH": "/emulator", "GATEWAY_PORT": "4566", "MINISTACK_REGION": REGION, "AUTH": "true", "HOME": "/tmp"}
    options = [part for key, value in settings.items() for part in ("-e", f"{key}={value}")]
    docker(
        *("run", "--detach", "--rm", "--init", "--name", name, "--label", checkout.label(), "--publish", "127.0.0.1::4566"),
        *("--volume", f"{LIBRARIES}:/emulator:ro", *options, IMAGE, "python3", "-m", "ministack"),
    )
    try:
        endpoint = f"http://{docker('port', name, '4566/tcp').splitlines()[0]}"
        _answers(endpoint)
        yield endpoint
    finally:
        docker("rm", "--force", name)


def _answers(endpoint: str) -> None:
    for _attempt in range(150):
        try:
            with urllib.request.urlopen(f"{endpoint}/_ministack/health", timeout=5):
                return
        except (OSError, urllib.error.URLError):
            time.sleep(0.2)
    raise TimeoutError(f"the emulator does not answer at {endpoint}")


@pytest.fixture
def cloud(emulator: str, tmp_path: Path) -> Cloud:
    """Four empty accounts."""
    return empty(emulator, tmp_path)


def empty(emulator: str, folder: Path) -> Cloud:
    """The emulator's accounts with nothing in them, and the operator's credentials in the folder."""
    with urllib.request.urlopen(urllib.request.Request(f"{emulator}/_ministack/reset", method="POST"), timeout=30):
        pass
    root = boto3.client("iam", endpoint_url=emulator, region_name=REGION, aws_access_key_id=OPERATOR_ACCOUNT, aws_secret_access_key="test")
    root.create_user(UserName="operator")
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}
    root.put_user_policy(UserName="operator", PolicyName="assume", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    key = root.create_access_key(UserName="operator")["AccessKey"]
    profiles = {f"admin-{name}": (number, "test") for name, number in ACCOUNTS.items()}
    profiles["operator"] = (key["AccessKeyId"], key["SecretAccessKey"])
    credentials = folder / "credentials"
    credentials.write_text(
        "".join(f"[{profile}]\naws_access_key_id = {access}\naws_secret_access_key = {secret}\n" for profile, (access, secret) in profiles.items())
    )
    return Cloud(emulator, credentials, folder)
