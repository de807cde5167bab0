"""Whether the images that stacks name are there, asked of each account before the first write.

CloudFormation would say so as well (parameters of type AWS::EC2::Image::Id are looked up), but only when the stack's turn has come:
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-supplied-parameter-types.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .._aws.images import described
from .spec import Stack
from .template import Template

_TYPE = "AWS::EC2::Image::Id"
# Types of AWS's own processors: a letter g after the generation (t4g, m7gd, c7gn), and the first of them.
_ARM = re.compile(r"(a1|[a-z]+\d+[a-z]*g[a-z]*)\.")


class Use(NamedTuple):
    """Who names an image: a stack's key, and the type of the machines that it launches, empty if it does not say."""

    stack: str
    machine: str


@dataclass(frozen=True)
class Shared:
    """What a release says is shared: account → image ids, and the number of the one account that may share, empty for none."""

    owner: str = ""
    images: Mapping[str, Collection[str]] = field(default_factory=dict)

    def allows(self, account: str, row: Mapping[str, Any]) -> bool:
        """Whether the account may launch what EC2 describes so, although it does not own it."""
        return bool(self.owner) and row["OwnerId"] == self.owner and row["ImageId"] in self.images.get(account, ())


def named(stacks: Iterable[Stack], templates: Mapping[str, Template]) -> dict[str, dict[str, Use]]:
    """Account → image id → the first stack that names it."""
    found: dict[str, dict[str, Use]] = {}
    for stack in stacks:
        for name, value in stack.parameters.items():
            if isinstance(value, str) and templates[stack.key].parameters[name].type == _TYPE:
                machine = str(stack.parameters.get("InstanceType", ""))
                found.setdefault(stack.account, {}).setdefault(value, Use(stack.key, machine))
    return found


def absent(account: str, images: Mapping[str, Use], client: Callable[[str], Any], number: str, shared: Shared | None = None) -> list[str]:
    """A sentence for each of the account's ``images`` (id → who names it) that it can't launch, or neither owns nor is to launch in place.

    What is only shared can be taken back by its owner, and its key with it: no machine would start any more. So the release must say it.

    :param client: account → its EC2 client.
    :param number: the account's twelve digits.
    :param shared: what it may launch of another account all the same.
    """
    rows = described(client(account), "look for images in account", account, ids=sorted(images))
    states = {row["ImageId"]: row.get("State", "available") for row in rows}
    allowed = shared or Shared()
    foreign = {row["ImageId"]: row["OwnerId"] for row in rows if row.get("OwnerId", number) != number and not allowed.allows(account, row)}
    told = [
        f"Failed to deploy stack {images[image].stack}: image {image} is of account {owner}, and account {account} launches only what it owns "
        "or its release shares with it. "
        "Copy it there (playbooks/copy_image.yml), which names the copy in the release."
        for image, owner in foreign.items()
    ]
    told += [
        f"Failed to deploy stack {use.stack}: image {row['ImageId']} is of {row['Architecture']}, and a {use.machine} is not. "
        "Bake it for that architecture (-e architecture=…), or take machines of another type."
        for row in rows
        if (use := images[row["ImageId"]]).machine and "Architecture" in row and (row["Architecture"] == "arm64") != bool(_ARM.match(use.machine))
    ]
    return told + [
        f"Failed to deploy stack {use.stack}: image {image} {_state(states.get(image))} in account {account}. "
        "Bake it (playbooks/bake_image.yml) or copy it to that account (playbooks/copy_image.yml), or deploy another release."
        for image, use in images.items()
        if states.get(image) != "available"
    ]


def _state(state: str | None) -> str:
    return f"is {state}" if state else "is not there"
