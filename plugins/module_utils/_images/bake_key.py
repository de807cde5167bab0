"""The key of a bake: a digest over everything an image is made of.

Inputs are flat: name (such as ``package twine`` or ``role nginx``) → what it is (a version, a digest). The same inputs
always give the same key; another key can say which input moved, from what to what.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

KEY_DIGITS = 12


def key_of(inputs: Mapping[str, str]) -> str:
    """The key: the first twelve hexadecimal digits of the SHA-256 of the inputs, whatever their order."""
    return hashlib.sha256(json.dumps(dict(inputs), sort_keys=True).encode()).hexdigest()[:KEY_DIGITS]


def recipe_of(inputs: Mapping[str, str]) -> str:
    """The key of all but what an image begins with. Equal for a container, an AMI and a box that should be the same."""
    return key_of({name: value for name, value in inputs.items() if name != "base image"})


def moved(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    """What differs between two sets of inputs, a phrase each; digests are shortened, versions are not."""
    phrases = []
    for name in sorted(old.keys() | new.keys()):
        if name not in old:
            phrases.append(f"{name} is new")
        elif name not in new:
            phrases.append(f"{name} is gone")
        elif old[name] != new[name]:
            phrases.append(f"{name}: {_short(old[name])} → {_short(new[name])}")
    return phrases


def _short(value: str) -> str:
    return " ".join(word[:12] if len(word) == 64 else word for word in value.split())
