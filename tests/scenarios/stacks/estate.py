"""A small estate over four accounts, and ways to deploy it: in this process, or in one that is killed."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ansible_collections.twine.platform.plugins.module_utils._aws.accounts import Account, Accounts, Operator
from ansible_collections.twine.platform.plugins.module_utils._stacks.engine import Engine, Options, Result
from ansible_collections.twine.platform.plugins.module_utils._stacks.journal import Journal

ACCOUNTS = {"dev": "111111111111", "prod": "222222222222", "bastion": "333333333333", "dns": "444444444444"}
OPERATOR_ACCOUNT = ACCOUNTS["bastion"]
REGION = "eu-west-2"
EXTERNAL_ID = "an-external-id"
OURS = Path(__file__).resolve().parents[3] / "cloudformation"

# What stands for a layer: a real resource whose physical id its children need.
LAYER = """\
Parameters:
  Value: {Type: String}
  Above: {Type: String, Default: none}
Resources:
  Parameter:
    Type: AWS::SSM::Parameter
    Properties: {Type: String, Name: !Sub "/${AWS::StackName}", Value: !Sub "${Value} ${Above}"}
Outputs:
  Name: {Value: !Ref Parameter}
"""
# Its queue can't be made: nothing is invisible for so long.
BROKEN = """\
Parameters:
  Value: {Type: String}
  Above: {Type: String, Default: none}
Resources:
  Fine:
    Type: AWS::SNS::Topic
  Broken:
    Type: AWS::SQS::Queue
    DependsOn: Fine
    Properties: {VisibilityTimeout: 99999999}
Outputs:
  Name: {Value: !Ref Fine}
"""


@dataclass(frozen=True)
class Cloud:
    """The emulator and the operator's way in."""

    endpoint: str
    credentials: Path
    folder: Path

    def accounts(self) -> dict[str, Account]:
        return {
            name: Account(
                name=name,
                account_id=number,
                region=REGION,
                role_arn=f"arn:aws:iam::{number}:role/estate-deployer",
                external_id=EXTERNAL_ID,
                endpoint_url=self.endpoint,
                admin_profile=f"admin-{name}",
            )
            for name, number in ACCOUNTS.items()
        }

    def operator(self) -> Operator:
        return Operator(profile="operator", credentials_file=str(self.credentials))

    def options(self, **changes: Any) -> Options:
        return replace(Options(estate="estate", folders=[self.folder, OURS], state=self.folder / "state", lock_wait=60), **changes)


def access(account: str) -> dict[str, Any]:
    """The stack that makes the deployer role."""
    return {
        "name": "access",
        "credentials": "account",
        "capabilities": ["CAPABILITY_NAMED_IAM"],
        "parameters": {
            "Estate": "estate",
            "RoleName": "estate-deployer",
            "OperatorArn": f"arn:aws:iam::{OPERATOR_ACCOUNT}:user/operator",
            "ExternalId": EXTERNAL_ID,
        },
    }


def layer(name: str, value: str = "v", above: str = "", template: str = "layer.yml", **keys: Any) -> dict[str, Any]:
    parameters: dict[str, Any] = {"Value": value} | ({"Above": {"output": f"{above}.Name"}} if above else {})
    return {"name": name, "template": template, "parameters": parameters, **keys}


def small(value: str = "v") -> dict[str, list[dict[str, Any]]]:
    """Eleven stacks: a role in each account, and a path from bastion through dev and prod to dns."""
    return {
        "dev": [access("dev"), layer("network", value), layer("peering", value, "bastion/network"), layer("application", value, "network")],
        "prod": [access("prod"), layer("network", value, "dev/application"), layer("application", value, "network")],
        "bastion": [access("bastion"), layer("network", value)],
        "dns": [access("dns"), layer("zone", value, "prod/application")],
    }


def tiny(value: str = "v") -> dict[str, list[dict[str, Any]]]:
    """Five stacks over two accounts."""
    return {
        "dev": [access("dev"), layer("network", value), layer("application", value, "network")],
        "bastion": [access("bastion"), layer("peering", value, "dev/network")],
    }


def large(stacks_an_account: int) -> dict[str, list[dict[str, Any]]]:
    """A chain of layers in each account."""
    return {
        name: [access(name), *(layer(f"layer-{n}", "v", f"layer-{n - 1}" if n % 5 else "") for n in range(stacks_an_account - 1))]
        for name in ACCOUNTS
    }


def engine(cloud: Cloud, raw: dict[str, Any], told: Callable[[str], None] = print, accounts: Accounts | None = None, **options: Any) -> Engine:
    (cloud.folder / "layer.yml").write_text(LAYER)
    (cloud.folder / "broken.yml").write_text(BROKEN)
    found = accounts or Accounts(cloud.accounts(), cloud.operator())
    return Engine(raw, found, cloud.options(**options), told, dict.fromkeys(ACCOUNTS, True))


def deploy(cloud: Cloud, raw: dict[str, Any], **options: Any) -> Result:
    return engine(cloud, raw, **options).deploy()


def standing(cloud: Cloud) -> dict[str, dict[str, Any]]:
    """What stands in all accounts, told by CloudFormation itself: status, outputs, parameters, protection."""
    found: dict[str, dict[str, Any]] = {}
    clients = Accounts(cloud.accounts(), cloud.operator())
    for account in ACCOUNTS:
        client = clients.client(account, "cloudformation", "account")
        for stack in client.get_paginator("describe_stacks").paginate().build_full_result()["Stacks"]:
            found[f"{account}/{stack['StackName']}"] = {
                "status": stack["StackStatus"].replace("UPDATE", "CREATE"),
                "outputs": {item["OutputKey"]: item["OutputValue"] for item in stack.get("Outputs", [])},
                "parameters": {item["ParameterKey"]: item["ParameterValue"] for item in stack.get("Parameters", [])},
                "protected": stack.get("EnableTerminationProtection"),
                "change_sets": [item["Status"] for item in client.list_change_sets(StackName=stack["StackName"])["Summaries"]],
            }
    return found


class Killing(Journal):
    """A journal whose process dies, by the signal that nobody can catch, right after a given record."""

    at = 0

    def note(self, step: str, stack: str = "", **facts: Any) -> None:
        super().note(step, stack, **facts)
        if self._file is not None:
            Killing.at -= 1
            if Killing.at == 0:
                os.kill(os.getpid(), signal.SIGKILL)


def _killed(cloud: Cloud, raw: dict[str, Any], at: int) -> None:
    Killing.at = at
    run = engine(cloud, raw, told=lambda text: None)
    run.journal = Killing(cloud.options().state)
    run.deploy()


def deploy_and_die(cloud: Cloud, raw: dict[str, Any], at: int) -> bool:
    """Deploy in another process that is killed at its ``at``-th record; whether it came that far."""
    process = multiprocessing.get_context("spawn").Process(target=_killed, args=(cloud, raw, at))
    process.start()
    process.join(120)
    return process.exitcode == -signal.SIGKILL
