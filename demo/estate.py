"""The local estate as the story sees it: addresses, groups, machines, the database. It looks and pulls plugs; it configures nothing."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import docker
import yaml
from botocore.exceptions import BotoCoreError, ClientError

from demo.playbook import ROOT, StepFailed
from tools import checkout

CREDENTIALS = ROOT / "build" / "local_cloud" / "credentials"
REGION = "eu-west-2"
ACCOUNTS = {"dev": "111111111111", "prod": "222222222222"}


@dataclass(frozen=True, slots=True)
class Machine:
    """An instance of a group: ``image`` is its image id, ``address`` its private IPv4 address."""

    id: str
    image: str
    address: str
    in_service: bool


class Estate:
    """Reads the local cloud by AWS's API with each account's own credentials, and Docker as the hypervisor under it."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self._docker = docker.from_env()
        self._clients: dict[tuple[str, str], Any] = {}
        self._groups: dict[str, str] = {}

    def addresses(self) -> dict[str, Any]:
        """What the local cloud says of itself: load balancers' addresses on this machine, instances, databases."""
        done = subprocess.run([sys.executable, "-m", "local_cloud", "addresses"], cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            raise StepFailed(f"Failed to ask the local cloud for its addresses: {done.stderr.strip()}. Run make down, then make demo.")
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def url(self, environment: str) -> str:
        """The address of the environment's load balancer on this machine."""
        balancers = {name: url for name, url in self.addresses()["load_balancers"].items() if name.startswith(f"{environment}/")}
        if not balancers:
            raise StepFailed(f"Failed to find the load balancer of {environment}: the local cloud knows none. Deploy first.")
        return str(next(iter(balancers.values())))

    def client(self, account: str, service: str) -> Any:
        """A boto3 client of ``account`` at the local cloud."""
        if (account, service) not in self._clients:
            session: Any = boto3.Session(profile_name=f"twine-{account}", region_name=REGION)
            self._clients[account, service] = session.client(service, endpoint_url=self.endpoint)
        return self._clients[account, service]

    def group(self, environment: str) -> dict[str, Any]:
        """The application's auto scaling group as DescribeAutoScalingGroups tells it."""
        if environment not in self._groups:
            stack = self.client(environment, "cloudformation").describe_stacks(StackName="twine-application")["Stacks"][0]
            self._groups[environment] = next(row["OutputValue"] for row in stack["Outputs"] if row["OutputKey"] == "GroupName")
        names = [self._groups[environment]]
        groups = self.client(environment, "autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=names)["AutoScalingGroups"]
        if not groups:
            raise StepFailed(f"Failed to find the application's group in {environment}: {names[0]} is gone. Deploy first.")
        return dict(groups[0])

    def machines(self, environment: str) -> list[Machine]:
        """The group's instances; ``in_service`` is the group's own word and the balancer's together."""
        group = self.group(environment)
        healthy: set[str] = set()
        for arn in group.get("TargetGroupARNs", []):
            rows = self.client(environment, "elbv2").describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
            healthy |= {row["Target"]["Id"] for row in rows if row["TargetHealth"]["State"] == "healthy"}
        ids = [member["InstanceId"] for member in group["Instances"]]
        if not ids:
            return []
        known = self.client(environment, "ec2").describe_instances(InstanceIds=ids)["Reservations"]
        return [
            Machine(found["InstanceId"], found["ImageId"], found.get("PrivateIpAddress", ""), found["InstanceId"] in healthy)
            for reservation in known
            for found in reservation["Instances"]
        ]

    def serving(self, environment: str) -> list[Machine]:
        """The machines that the balancer sends requests to."""
        return [machine for machine in self.machines(environment) if machine.in_service]

    def activities(self, environment: str, since: float) -> list[dict[str, Any]]:
        """The group's scaling activities that began after ``since`` (seconds since the epoch), newest first."""
        name = self.group(environment)["AutoScalingGroupName"]
        rows = self.client(environment, "autoscaling").describe_scaling_activities(AutoScalingGroupName=name)["Activities"]
        return [row for row in rows if row["StartTime"].timestamp() >= since - 1]

    def container(self, instance: str) -> Any:
        """The container that is the machine ``instance``."""
        found = self._docker.containers.list(all=True, filters={"label": f"twine.instance={instance}"})
        if not found:
            raise StepFailed(f"Failed to find the machine {instance}: no container carries its label. Look at docker ps -a.")
        return found[0]

    def kill(self, instance: str) -> None:
        """Pulls the machine's plug."""
        self.container(instance).kill()

    def run(self, instance: str, *command: str) -> tuple[int, str]:
        """Runs ``command`` on the machine as root: exit code and output. Only the story's own probes use this."""
        code, output = self.container(instance).exec_run(list(command))
        return int(code), output.decode(errors="replace")

    def put(self, instance: str, path: str, content: str) -> None:
        """Writes ``content`` to ``path`` on the machine, readable by root and the application only, without showing it to a process list."""
        pipe = ["docker", "exec", "-i", self.container(instance).id, "install", "-m", "0640", "-g", "twine", "/dev/stdin", path]
        done = subprocess.run(pipe, input=content, text=True, capture_output=True, check=False)
        if done.returncode:
            raise StepFailed(f"Failed to write {path} on {instance}: {done.stderr.strip()}. Look at the machine's console.")

    def sql(self, environment: str, statement: str) -> list[list[str]]:
        """The rows of ``statement``, asked of the environment's database in its own container."""
        found = self._docker.containers.list(filters={"label": ["twine.role=database", f"twine.account={ACCOUNTS[environment]}"]})
        mine = [container for container in found if container.labels.get("twine.checkout") == checkout.identity()]
        if not mine:
            raise StepFailed(f"Failed to find the database of {environment}: no container carries its labels. Deploy first.")
        database: Any = mine[0]
        code, output = database.exec_run(["psql", "-XAtq", "-F", "\t", "-U", "rdsadmin", "-h", "/run/postgresql", "-d", "twine", "-c", statement])
        if code:
            raise StepFailed(f"Failed to ask the database of {environment}: {output.decode(errors='replace').strip()}. Look at its log.")
        return [line.split("\t") for line in output.decode().splitlines()]


def wait_for(what: str, seconds: float, condition: Callable[[], bool]) -> None:
    """Waits until ``condition`` holds.

    :raises StepFailed: if it does not within ``seconds``; the message names ``what`` was waited for.
    """
    until = time.monotonic() + seconds
    pause = 0.2
    while time.monotonic() < until:
        try:
            if condition():
                return
        except (ClientError, BotoCoreError, OSError):
            pause = 0.5  # the cloud is busy: ask less often
        time.sleep(pause)
    raise StepFailed(f"Failed to see {what} within {seconds:.0f} s. Look at build/demo/logs and at the machines' consoles.")


def released_images(folder: Path) -> dict[str, str]:
    """Image id of each role, of the release that is deployed."""
    images: dict[str, str] = yaml.safe_load((folder / "current.yml").read_text())["images"]
    return images


def releases_by_image(folder: Path) -> dict[str, str]:
    """Image id of the application → its version, over every release that was made on this machine."""
    known = {}
    for path in folder.glob("*.yml"):
        release = yaml.safe_load(path.read_text())
        known[release["images"]["twine"]] = release["packages"]["twine"]["version"].split("-")[0]
    return known
