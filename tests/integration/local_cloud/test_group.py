"""The data plane as a whole: a group behind a balancer that heals and rolls over, a database and a cache that come back."""

from __future__ import annotations

import json
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.integration.local_cloud.conftest import HERE, Stacks, client, docker, local_cloud, until
from tools import checkout

ACCOUNT, STACK = "dns", "probe-group"
SSL_REQUEST = bytes.fromhex("0000000804d2162f")
SERVERS = [("database", "Database", 5432, SSL_REQUEST, b"S"), ("cache", "Cache", 6379, b"PING\r\n", b"+PONG")]
DOCKERFILE = r"""FROM twine/base:bookworm
RUN echo {version} > /srv/index.html
RUN printf '[Service]\nExecStart=python3 -m http.server --directory /srv 80\n' > /etc/systemd/system/web.service
RUN mkdir /etc/systemd/system/multi-user.target.wants -p && ln -s ../web.service /etc/systemd/system/multi-user.target.wants/
"""


def image_of(version: str) -> str:
    tag = f"{checkout.prefix()}/probe-web:{version}"
    recipe = DOCKERFILE.format(version=version).encode()
    docker("build", "--quiet", "--tag", tag, "--label", checkout.label(), "--label", "twine.role=probe", "-", stdin=recipe)
    return f"ami-{docker('image', 'inspect', '--format', '{{.Id}}', tag).removeprefix('sha256:')[:17]}"


@dataclass
class Site:
    """The deployed stack, and how a user sees it."""

    outputs: dict[str, str]
    parameters: dict[str, str]
    url: str

    def ask(self) -> str:
        try:
            with urllib.request.urlopen(self.url, timeout=5) as response:
                return str(response.read().decode().strip())
        except (OSError, urllib.error.HTTPError) as error:
            return str(error)

    def machines(self) -> list[str]:
        [group] = client(ACCOUNT, "autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[self.outputs["Group"]])["AutoScalingGroups"]
        return [item["InstanceId"] for item in group["Instances"] if item["LifecycleState"] == "InService"]

    def healthy(self) -> list[str]:
        found = client(ACCOUNT, "elbv2").describe_target_health(TargetGroupArn=self.outputs["Targets"])["TargetHealthDescriptions"]
        return [item["Target"]["Id"] for item in found if item["TargetHealth"]["State"] == "healthy"]

    def exchange(self, name: str, port: int, sent: bytes) -> bytes:
        """What a server says to one of the machines."""
        program = "import socket, sys\ns = socket.create_connection((sys.argv[1], int(sys.argv[2])), 2)\ns.sendall(bytes.fromhex(sys.argv[3]))\n"
        program += "sys.stdout.buffer.write(s.recv(100))"
        container = f"{checkout.prefix()}-{self.machines()[0]}"
        return docker("exec", container, "python3", "-c", program, self.outputs[name], str(port), sent.hex()).encode()


@pytest.fixture(scope="module")
def site(stacks: Stacks) -> Iterator[Site]:
    second = int(checkout.networks()["dev"].split(".")[1]) + 172
    parameters = {"Cidr": f"10.{second}.0.0/16", "ImageId": image_of("one")}
    outputs = stacks.deploy(ACCOUNT, STACK, "group.yml", **parameters)
    url = json.loads(local_cloud("addresses"))["load_balancers"][f"{ACCOUNT}/probe-group"]
    yield Site(outputs, parameters, url)
    stacks.delete(ACCOUNT, STACK)
    for version in ("one", "two"):
        docker("image", "rm", "--force", f"{checkout.prefix()}/probe-web:{version}")


def test_the_balancer_answers_with_a_healthy_machine(site: Site) -> None:
    until(lambda: site.healthy() == site.machines(), "a healthy machine")
    assert site.ask() == "one"


def test_a_killed_machine_is_replaced(site: Site) -> None:
    [victim] = site.machines()
    docker("kill", f"{checkout.prefix()}-{victim}")
    until(lambda: site.healthy() and victim not in site.machines(), "another machine")
    assert site.ask() == "one"
    activities = client(ACCOUNT, "autoscaling").describe_scaling_activities(AutoScalingGroupName=site.outputs["Group"])["Activities"]
    assert any(victim in activity["Description"] and "EC2 health check" in activity["Cause"] for activity in activities)


def test_a_new_image_rolls_out_unseen(site: Site) -> None:
    answers: Counter[str] = Counter()
    done = threading.Event()

    def load() -> None:
        while not done.is_set():
            answers[site.ask()] += 1
            time.sleep(0.05)

    caller = threading.Thread(target=load)
    caller.start()
    try:
        status = update(site, ImageId=image_of("two"))
        until(lambda: answers["two"] > 5, "answers of the new machine")
    finally:
        done.set()
        caller.join()
    assert status == "UPDATE_COMPLETE"
    assert set(answers) == {"one", "two"}, answers
    assert site.ask() == "two"


def update(site: Site, **changed: str) -> str:
    api: Any = client(ACCOUNT, "cloudformation")
    given = [{"ParameterKey": key, "ParameterValue": value} for key, value in {**site.parameters, **changed}.items()]
    api.update_stack(StackName=STACK, TemplateBody=(HERE / "group.yml").read_text(), Parameters=given)

    def settled() -> str:
        status = str(api.describe_stacks(StackName=STACK)["Stacks"][0]["StackStatus"])
        return "" if status.endswith("_IN_PROGRESS") else status

    return str(until(settled, "the update"))


@pytest.mark.parametrize(("kind", "name", "port", "sent", "answer"), SERVERS)
def test_a_killed_server_comes_back_under_its_name(site: Site, kind: str, name: str, port: int, sent: bytes, answer: bytes) -> None:
    assert site.exchange(name, port, sent).startswith(answer)
    labels = (checkout.label(), f"twine.role={kind}", "twine.account=444444444444")
    container = docker("ps", "--quiet", *(word for label in labels for word in ("--filter", f"label={label}")))
    docker("kill", container)
    until(lambda: docker("inspect", "--format", "{{.State.Running}}", container) == "true", f"the {kind}")

    def answers() -> bool:
        try:
            return site.exchange(name, port, sent).startswith(answer)
        except subprocess.CalledProcessError:
            return False

    until(answers, f"the {kind}'s answer")
