"""A running cloud with two small networks in the accounts dns and bastion, beside whatever else runs in it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

from tools import checkout

HERE = Path(__file__).parent
STATE = checkout.BUILD / "local_cloud"
ENDPOINT = f"http://127.0.0.1:{checkout.ports()['cloud']}"
ACCOUNTS = {"bastion": "333333333333", "dns": "444444444444"}
OPERATOR = "arn:aws:iam::333333333333:user/operator"
DOCKERFILE = b"FROM twine/base:bookworm\nRUN systemctl mask getty.target\n"
WAIT = 90.0


def local_cloud(*words: str) -> str:
    done = subprocess.run([sys.executable, "-m", "local_cloud", *words], cwd=checkout.ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def docker(*words: str, stdin: bytes | None = None) -> str:
    return subprocess.run(["docker", *words], input=stdin, capture_output=True, check=True).stdout.decode().strip()


def until(condition: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + WAIT
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited {WAIT:.0f} s for {what}"
        time.sleep(0.05)
    return found


def session(profile: str) -> boto3.Session:
    keys = dict(line.split(" = ") for line in (STATE / "credentials").read_text().partition(f"[{profile}]")[2].partition("[")[0].splitlines() if line)
    return boto3.Session(keys["aws_access_key_id"], keys["aws_secret_access_key"], region_name="eu-west-2")


def client(account: str | boto3.Session, service: str) -> Any:
    who: Any = session(f"twine-{account}") if isinstance(account, str) else account
    return who.client(service, endpoint_url=ENDPOINT)


class Stacks:
    """Stacks of the tests, deleted last first."""

    def __init__(self) -> None:
        self.made: list[tuple[str, str]] = []

    def deploy(self, account: str, name: str, template: str, **parameters: str) -> dict[str, str]:
        """Create, and return the outputs; a stack that rolls back is an AssertionError with its reasons."""
        api = client(account, "cloudformation")
        given = [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()]
        self.made.append((account, name))
        api.create_stack(StackName=name, TemplateBody=(HERE / template).read_text(), Parameters=given, Capabilities=["CAPABILITY_IAM"])
        stack = self._settled(api, name)
        events = api.describe_stack_events(StackName=name)["StackEvents"]
        reasons = [event["ResourceStatusReason"] for event in events if event["ResourceStatus"] == "CREATE_FAILED"]
        assert stack["StackStatus"] == "CREATE_COMPLETE", reasons
        return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}

    def delete(self, account: str, name: str) -> None:
        api = client(account, "cloudformation")
        self.made.remove((account, name))
        stack_id = api.describe_stacks(StackName=name)["Stacks"][0]["StackId"]
        api.delete_stack(StackName=name)
        assert self._settled(api, stack_id)["StackStatus"] == "DELETE_COMPLETE"

    def _settled(self, api: Any, name: str) -> Any:
        def look() -> Any:
            stack = api.describe_stacks(StackName=name)["Stacks"][0]
            return None if stack["StackStatus"].endswith("_IN_PROGRESS") else stack

        return until(look, f"stack {name}")


@dataclass(frozen=True)
class Side:
    """One of the two networks and its machine."""

    account: str
    outputs: dict[str, str]

    @property
    def container(self) -> str:
        return f"{checkout.prefix()}-{self.outputs['Machine']}"

    def run(self, *command: str, detach: bool = False) -> subprocess.CompletedProcess[str]:
        words = ["docker", "exec", *(["--detach"] if detach else []), self.container, *command]
        return subprocess.run(words, capture_output=True, text=True, check=False)

    def metadata(self, path: str) -> str:
        program = (
            "import sys, urllib.request as r\n"
            "base = 'http://169.254.169.254/latest/'\n"
            "token = r.urlopen(r.Request(base + 'api/token', method='PUT', headers={'X-aws-ec2-metadata-token-ttl-seconds': '60'})).read().decode()\n"
            "print(r.urlopen(r.Request(base + sys.argv[1], headers={'X-aws-ec2-metadata-token': token})).read().decode(), end='')"
        )
        return self.run("python3", "-c", program, path).stdout

    def reaches(self, other: Side, port: int) -> str:
        """The address from which the other's listener saw this machine, or nothing."""
        program = "import socket, sys\nprint(socket.create_connection((sys.argv[1], int(sys.argv[2])), 1).makefile().read(), end='')"
        return self.run("python3", "-c", program, other.outputs["Address"], str(port)).stdout


@pytest.fixture(scope="session")
def image() -> Iterator[str]:
    """What the machines start from; it goes when they are gone, or its layers would stay."""
    tag = f"{checkout.prefix()}/probe:test"
    docker("build", "--quiet", "--tag", tag, "--label", checkout.label(), "--label", "twine.role=probe", "-", stdin=DOCKERFILE)
    yield "ami-" + json.loads(docker("image", "inspect", tag))[0]["Id"].removeprefix("sha256:")[:17]
    docker("image", "rm", "--force", tag)


@pytest.fixture(scope="session")
def stacks(image: str) -> Iterator[Stacks]:
    """A cloud that is up; what was down before is down again afterwards."""
    ours = (
        "The local cloud is down"
        in subprocess.run([sys.executable, "-m", "local_cloud", "status"], cwd=checkout.ROOT, capture_output=True, text=True, check=False).stdout
    )
    local_cloud("up")
    found = Stacks()
    yield found
    for account, name in reversed(list(found.made)):
        found.delete(account, name)
    if ours:
        local_cloud("down")


@pytest.fixture(scope="session")
def sides(stacks: Stacks, image: str) -> dict[str, Side]:
    """A network with a machine in dns, and one in bastion; a listener on port 8000 of each says who called."""
    second = int(checkout.networks()["dev"].split(".")[1]) + 170
    listener = (
        "import socket\ns = socket.create_server(('', 8000))\nwhile True:\n    c, who = s.accept()\n    c.sendall(who[0].encode())\n    c.close()"
    )
    made = {}
    for number, account in enumerate(ACCOUNTS):
        outputs = stacks.deploy(account, "probe-network", "estate.yml", Cidr=f"10.{second + number}.0.0/16", ImageId=image)
        made[account] = Side(account, outputs)
        made[account].run("python3", "-c", listener, detach=True)
    return made
