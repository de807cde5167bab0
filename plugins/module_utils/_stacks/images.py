"""Whether the images that stacks name are there, asked of each account before the first write.

CloudFormation would say so as well (parameters of type AWS::EC2::Image::Id are looked up), but only when the stack's turn has come:
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-supplied-parameter-types.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .._aws.errors import explain
from .spec import Stack
from .template import Template

_TYPE = "AWS::EC2::Image::Id"


def named(stacks: Iterable[Stack], templates: Mapping[str, Template]) -> dict[str, dict[str, str]]:
    """Account → image id → the first stack that names it."""
    found: dict[str, dict[str, str]] = {}
    for stack in stacks:
        for name, value in stack.parameters.items():
            if isinstance(value, str) and templates[stack.key].parameters[name].type == _TYPE:
                found.setdefault(stack.account, {}).setdefault(value, stack.key)
    return found


def absent(account: str, images: Mapping[str, str], client: Callable[[str], Any], number: str) -> list[str]:
    """A sentence for each of the account's ``images`` (id → stack) that it can't launch, or does not own.

    What is only shared can be taken back by its owner, and its key with it: no machine would start any more.

    :param client: account → its EC2 client.
    :param number: the account's twelve digits.
    """
    try:
        # By filter: asked for by ids, EC2 would fail on the first that is not there.
        rows = client(account).describe_images(Filters=[{"Name": "image-id", "Values": sorted(images)}])["Images"]
    except Exception as error:
        raise explain("look for images in account", account, error) from error
    states = {row["ImageId"]: row.get("State", "available") for row in rows}
    foreign = {row["ImageId"]: row["OwnerId"] for row in rows if row.get("OwnerId", number) != number}
    return [
        f"Failed to deploy stack {images[image]}: image {image} is of account {owner}, and account {account} launches only images that it owns. "
        "Copy it there (playbooks/copy_image.yml), which names the copy in the release."
        for image, owner in foreign.items()
    ] + [
        f"Failed to deploy stack {stack}: image {image} {_state(states.get(image))} in account {account}. "
        "Bake it (playbooks/bake_image.yml) or copy it to that account (playbooks/copy_image.yml), or deploy another release."
        for image, stack in images.items()
        if states.get(image) != "available"
    ]


def _state(state: str | None) -> str:
    return f"is {state}" if state else "is not there"
