"""All that a reaper looks at in an account, and how each of it goes. ``ec2`` is a client in that account."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .errors import code_of, explain

# Field of reaping.Account → operation, key of the answer, and what is asked.
_BUILDER = {"Filters": [{"Name": "tag:twine:role", "Values": ["builder"]}]}
_LOOKS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "key_pairs": ("describe_key_pairs", "KeyPairs", _BUILDER),
    "groups": ("describe_security_groups", "SecurityGroups", _BUILDER),
    "volumes": ("describe_volumes", "Volumes", _BUILDER),
    "images": ("describe_images", "Images", {"Owners": ["self"]}),
    "snapshots": ("describe_snapshots", "Snapshots", {"OwnerIds": ["self"]}),
}


def look(ec2: Any, account: str) -> dict[str, list[dict[str, Any]]]:
    """Every row, by the names of ``reaping.Account``'s fields.

    :raises Failure: if the account does not say it: what was not seen must not count as unused.
    """
    try:
        found = {name: _rows(ec2, *asked) for name, asked in _LOOKS.items()}
        reservations = _rows(ec2, "describe_instances", "Reservations", {})
        found["instances"] = [row for reservation in reservations for row in reservation["Instances"]]
        found["templates"] = [
            row
            for template in _rows(ec2, "describe_launch_templates", "LaunchTemplates", {})
            for row in _rows(ec2, "describe_launch_template_versions", "LaunchTemplateVersions", {"LaunchTemplateId": template["LaunchTemplateId"]})
        ]
    except Exception as error:
        raise explain("look for what bakes left in account", account, error) from error
    return found


def _rows(ec2: Any, operation: str, key: str, asked: dict[str, Any]) -> list[dict[str, Any]]:
    if not ec2.can_paginate(operation):
        return list(getattr(ec2, operation)(**asked)[key])
    return [row for page in ec2.get_paginator(operation).paginate(**asked) for row in page[key]]


def remove(ec2: Any, account: str, kind: str, identity: str) -> None:
    """Have it gone: a builder halts before its key and its group go. What is gone already is fine.

    :raises Failure: if the account refuses.
    """
    steps: dict[str, Callable[[], Any]] = {
        "instance": lambda: _terminate(ec2, identity),
        "image": lambda: ec2.deregister_image(ImageId=identity),
        "snapshot": lambda: ec2.delete_snapshot(SnapshotId=identity),
        "volume": lambda: ec2.delete_volume(VolumeId=identity),
        "key_pair": lambda: ec2.delete_key_pair(KeyPairId=identity),
        "group": lambda: ec2.delete_security_group(GroupId=identity),
    }
    try:
        steps[kind]()
    except Exception as error:
        if code_of(error).endswith((".NotFound", ".Unavailable")):
            return
        raise explain(f"remove {kind.replace('_', ' ')} {identity} of account", account, error) from error


def _terminate(ec2: Any, identity: str) -> None:
    ec2.terminate_instances(InstanceIds=[identity])
    ec2.get_waiter("instance_terminated").wait(InstanceIds=[identity], WaiterConfig={"Delay": 3, "MaxAttempts": 200})
