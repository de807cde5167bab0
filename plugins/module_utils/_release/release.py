"""What a release is, and what makes two of them differ.

A release names a repository snapshot, the packages in it, the images baked from it, the commit and the templates. From
it the release can be deployed again. It is written by ``playbooks/release.yml``, never by hand.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

NAME = re.compile(r"[a-z0-9][a-z0-9.+~-]{0,62}")
IMAGE = re.compile(r"ami-[0-9a-f]{8,17}")
SHA256 = re.compile(r"[0-9a-f]{64}")


class ReleaseError(ValueError):
    """A release that can't be one; the message names the key and the remedy."""


@dataclass(frozen=True)
class Package:
    """A package of a release: its Debian version and architecture, and the SHA-256 of the .deb as 64 hexadecimal digits."""

    version: str
    architecture: str
    sha256: str


@dataclass(frozen=True)
class Release:
    """Everything a release is made of.

    ``images`` maps a machine's role to the image id that is launched, ``bake_keys`` to the digest of what that image was
    baked from; ``templates`` maps a template's file name to its SHA-256.
    """

    name: str
    snapshot: str
    commit: str
    packages: dict[str, Package]
    images: dict[str, str]
    bake_keys: dict[str, str]
    templates: dict[str, str]

    def as_data(self) -> dict[str, Any]:
        """The release as plain data, keys in the order in which a person reads them."""
        data = asdict(self)
        return {key: dict(sorted(value.items())) if isinstance(value, dict) else value for key, value in data.items()}


def from_data(data: object) -> Release:
    """Reads a release from plain data.

    :raises ReleaseError: for an unknown or missing key, a wrong type, or an id that can't be one.
    """
    if not isinstance(data, Mapping):
        raise _refusal("the file", "it holds no mapping")
    fields = ("name", "snapshot", "commit", "packages", "images", "bake_keys", "templates")
    if unknown := sorted(set(map(str, data)) - set(fields)):
        raise _refusal(unknown[0], "it is no key of a release file")
    if missing := [name for name in fields if name not in data]:
        raise _refusal(missing[0], "it is missing")
    for name in ("name", "snapshot", "commit"):
        if not isinstance(data[name], str) or not NAME.fullmatch(data[name]):
            raise _refusal(name, f"{data[name]!r} is not a name of lower-case letters, digits and . + ~ -")
    return Release(
        name=data["name"],
        snapshot=data["snapshot"],
        commit=data["commit"],
        packages={name: _package(name, value) for name, value in _mapping(data, "packages").items()},
        images={role: _matching("images", role, value, IMAGE) for role, value in _mapping(data, "images").items()},
        bake_keys={role: str(value) for role, value in _mapping(data, "bake_keys").items()},
        templates={name: _matching("templates", name, value, SHA256) for name, value in _mapping(data, "templates").items()},
    )


def difference(old: Release, new: Release) -> list[str]:
    """What changed from ``old`` to ``new``, a sentence each, in the order a reader asks: packages, images, templates."""
    lines = []
    for name in sorted(old.packages.keys() | new.packages.keys()):
        before, after = old.packages.get(name), new.packages.get(name)
        if before and after and before.version == after.version and before.sha256 != after.sha256:
            lines.append(f"package {name} {after.version}: other content")
        elif before != after:
            lines.append(f"package {name}: {before.version if before else 'absent'} → {after.version if after else 'absent'}")
    for kind, left, right in (("image", old.images, new.images), ("template", old.templates, new.templates)):
        moved = [name for name in sorted(left.keys() | right.keys()) if left.get(name) != right.get(name)]
        lines += [f"{kind} {name}: {left.get(name, 'absent')[:16]} → {right.get(name, 'absent')[:16]}" for name in moved]
    return lines


def _refusal(key: str, why: str) -> ReleaseError:
    return ReleaseError(f"Failed to read the release at {key}: {why}. Have it written by playbooks/release.yml.")


def _mapping(data: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = data[key]
    if not isinstance(value, Mapping):
        raise _refusal(key, f"it holds {type(value).__name__}, not a mapping")
    return {str(name): value[name] for name in value}


def _matching(key: str, name: str, value: object, pattern: re.Pattern[str]) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise _refusal(f"{key}.{name}", f"{value!r} does not look like one ({pattern.pattern})")
    return value


def _package(name: str, value: object) -> Package:
    if not isinstance(value, Mapping) or set(value) != {"version", "architecture", "sha256"}:
        raise _refusal(f"packages.{name}", "it needs exactly the keys version, architecture and sha256")
    return Package(str(value["version"]), str(value["architecture"]), _matching("packages", name, value["sha256"], SHA256))
