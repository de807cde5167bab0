"""Starts the emulator with the plugin in it. The cloud container's main program."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import subprocess
from pathlib import Path
from types import ModuleType
from typing import Any

import ministack.app as gateway
from ministack.services import ec2, iam

from local_cloud.plugin import compute_types, corrections, emulator, engine, fabric, images, imds, instances, key_pairs, keys, network_types, settings

CREDENTIALS = Path("/etc/local_cloud.json")
# The data plane: install() before serving, start() when the loop runs.
DATA_PLANE = ("load_balancing", "scaling", "servers", "databases", "caches", "metrics", "refresh")


def seed(credentials: dict[str, dict[str, str]]) -> None:
    """The operator, who may do nothing but assume roles; and the secret of the account roots, whose key is the account's number."""
    os.environ["AWS_SECRET_ACCESS_KEY"] = credentials["dev"]["secret_key"]
    operator = credentials["operator"]
    with emulator.scope(operator["account"]):
        iam._create_user({"UserName": ["operator"]})
        policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}]}
        iam._put_user_policy({"UserName": ["operator"], "PolicyName": ["assume-roles"], "PolicyDocument": [json.dumps(policy)]})
        iam._access_keys[operator["access_key"]] = {
            "UserName": "operator",
            "AccessKeyId": operator["access_key"],
            "SecretAccessKey": operator["secret_key"],
            "Status": "Active",
            "CreateDate": iam._now(),
        }


def _own_gateway() -> str:
    """Where requests published on the host's loopback come from: this container's first default route."""
    routes = json.loads(subprocess.run(["ip", "-json", "route", "show", "default"], capture_output=True, text=True, check=True).stdout)
    return str(routes[0]["gateway"])


def addresses(load_balancing: ModuleType | None) -> dict[str, Any]:
    """What a person or a test can reach, and which instances there are."""
    names = {number: name for name, number in settings.ACCOUNTS.items()}
    found = []
    for (owner, _region, _id), record in list(ec2._instances.all_items()):
        container = engine.inspect(instances.container_of(record["InstanceId"]))
        found.append(
            {
                "account": names.get(owner, owner),
                "id": record["InstanceId"],
                "role": container.labels.get(settings.LABEL_ROLE, "") if container else "",
                "container": instances.container_of(record["InstanceId"]),
                "ip": record["PrivateIpAddress"],
                "state": record["State"]["Name"],
                "type": record["InstanceType"],
                "image": record["ImageId"],
            }
        )
    balancers = load_balancing.addresses() if load_balancing else {}
    return {"load_balancers": balancers, "instances": found, "clock_factor": settings.CLOCK_FACTOR}


def main() -> None:
    modules = {}
    for name in DATA_PLANE:
        if importlib.util.find_spec(f"local_cloud.plugin.{name}"):
            modules[name] = importlib.import_module(f"local_cloud.plugin.{name}")
    operators = {_own_gateway(), "127.0.0.1"}

    def started() -> None:
        engine.watch()
        imds.serve()
        for module in modules.values():
            getattr(module, "start", lambda: None)()

    subprocess.run(["ip", "address", "replace", f"{settings.LINK_LOCAL}/32", "dev", "lo"], check=True)
    emulator.install(lambda address: address in operators, started)
    instances.install()
    network_types.install()
    compute_types.install()
    images.install()
    key_pairs.install()
    keys.install()
    corrections.install()
    for module in modules.values():
        getattr(module, "install", lambda: None)()
    seed(json.loads(CREDENTIALS.read_text()))
    emulator.admin("addresses", lambda query, body: addresses(modules.get("load_balancing")))
    fabric.sync()
    gateway.main()


if __name__ == "__main__":
    main()
