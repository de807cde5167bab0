"""What a stack takes from where, in one digest. Two estates that differ in values only have the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from .spec import Reference, Scalar, Stack, Value


def shapes(stacks: Mapping[str, Stack], images: Mapping[str, str], copies: Mapping[str, Mapping[str, str]] | None = None) -> dict[str, str]:
    """``account/stack`` → SHA-256 over its template's name, where each parameter comes from, and what it may do.

    A parameter comes from an output, from the release (an image of a role), or is a value of the estate, which does not count:
    so sizes, addresses and secrets have no part in it.

    :param images: a machine's role → image id, as the release has it.
    :param copies: account → the same, of what it has of its own instead.
    """
    return {key: _digest(stack, _roles({**images, **(copies or {}).get(stack.account, {})})) for key, stack in stacks.items()}


def _roles(images: Mapping[str, str]) -> dict[str, str]:
    roles: dict[str, str] = {}
    for role, image in sorted(images.items()):
        roles[image] = f"{roles[image]}+{role}" if image in roles else f"image:{role}"
    return roles


def _digest(stack: Stack, roles: Mapping[str, str]) -> str:
    shape = {
        "template": stack.template,
        "parameters": {name: _origin(value, roles) for name, value in stack.parameters.items()},
        "capabilities": sorted(stack.capabilities),
        "stateful": sorted(stack.stateful),
        "after": sorted(stack.after),
        "credentials": stack.credentials,
    }
    return hashlib.sha256(json.dumps(shape, sort_keys=True).encode()).hexdigest()


def _origin(value: Value, roles: Mapping[str, str]) -> str | list[str]:
    if not isinstance(value, tuple):
        return _part(value, roles)
    parts = [_part(part, roles) for part in value]
    # How many values an estate lists is a value, too.
    return parts if any(part != "value" for part in parts) else "value"


def _part(part: Scalar, roles: Mapping[str, str]) -> str:
    return f"output:{part}" if isinstance(part, Reference) else roles.get(part, "value")
