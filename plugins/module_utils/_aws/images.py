"""Machine images of an account: what Packer begins with, and what a bake left. ``ec2`` is a client in that account.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeImages.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .errors import Failure, explain, sentence

# Debian's words for an architecture → EC2's.
MACHINES = {"amd64": "x86_64", "arm64": "arm64"}


def newest(ec2: Any, owner: str, name: str, architecture: str) -> dict[str, Any]:
    """The newest available image of ``owner`` whose name is like ``name``, for an architecture in Debian's words.

    :raises Failure: if there is none.
    """
    filters = {"name": name, "architecture": MACHINES[architecture], "state": "available", "virtualization-type": "hvm", "root-device-type": "ebs"}
    found = described(ec2, f"look for images {name} of", owner, owners=[owner], filters=filters)
    if not found:
        remedy = "Check source_owner, the region and the architecture"
        raise Failure(sentence("find an image to begin with,", f"{name} of {owner}", "there is none in this region", remedy))
    return max(found, key=lambda image: str(image["CreationDate"]))


def baked(ec2: Any, account_id: str, role: str, key: str, architecture: str) -> str | None:
    """The account's own image of ``role`` with a bake key, the newest if there are several; None if there is none.

    Anybody can share an image with the account and give it any name; so its owner is asked for, and then looked at.

    :raises Failure: if the account does not say.
    """
    filters = {"tag:twine:role": role, "tag:twine:bake-key": key, "state": "available", "architecture": MACHINES[architecture]}
    found = described(ec2, f"look for image {role} {key} in account", account_id, owners=["self"], filters=filters)
    own = [image for image in found if image["OwnerId"] == account_id]
    return str(max(own, key=lambda image: str(image["CreationDate"]))["ImageId"]) if own else None


def described(
    ec2: Any, what: str, which: str, *, owners: list[str] | None = None, filters: Mapping[str, str] | None = None, ids: list[str] | None = None
) -> list[dict[str, Any]]:
    """Images as EC2 describes them; ids that are not there are left out.

    :raises Failure: if the account does not say it; its sentence begins "Failed to <what> <which>".
    """
    asked: dict[str, Any] = {"Filters": [{"Name": name, "Values": [value]} for name, value in (filters or {}).items()]}
    if ids is not None:
        # By filter: asked for by ids, EC2 would fail on the first that is not there.
        asked["Filters"].append({"Name": "image-id", "Values": ids})
    if owners:
        asked["Owners"] = owners
    try:
        return list(ec2.describe_images(**asked)["Images"])
    except Exception as error:
        raise explain(what, which, error) from error


def tags_of(described_thing: Mapping[str, Any]) -> dict[str, str]:
    """The tags of whatever EC2 describes, as a mapping."""
    return {tag["Key"]: tag.get("Value", "") for tag in described_thing.get("Tags", [])}


def snapshots_of(image: Mapping[str, Any]) -> list[str]:
    """The snapshots that an image is made of."""
    return [disk["Ebs"]["SnapshotId"] for disk in image.get("BlockDeviceMappings", []) if disk.get("Ebs", {}).get("SnapshotId")]
