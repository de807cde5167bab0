"""What a release is: a small file that names everything which is deployed. Read and written here, checked both times.

A release names a repository snapshot with its packages, the images baked from it, the commit, the templates, and of each
stack what is planned. From it the release can be deployed again. It is written by ``playbooks/release.yml``, never by hand.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

try:
    import yaml
except ImportError:
    YAML_IMPORT_ERROR = traceback.format_exc()
else:
    YAML_IMPORT_ERROR = ""

NAME = re.compile(r"[a-z0-9][a-z0-9.+~-]{0,62}")
SNAPSHOT = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+~-]{0,127}")
COMMIT = re.compile(r"[0-9a-f]{7,40}(\+changes)?|none")
PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+(:[a-z0-9-]+)?")
VERSION = re.compile(r"([0-9]+:)?[0-9][A-Za-z0-9.+~-]*")
ARCHITECTURE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)?")
ACCOUNT = re.compile(r"[A-Za-z0-9_-]+")
ROLE = re.compile(r"[a-z][a-z0-9_]*")
IMAGE = re.compile(r"ami-[0-9a-f]{8,17}")
BAKE_KEY = re.compile(r"[0-9a-f]{12,64}")
TEMPLATE = re.compile(r"[A-Za-z0-9_-]+\.(yml|yaml|json)")
STACK = re.compile(r"[A-Za-z0-9_-]+/[A-Za-z][A-Za-z0-9-]*")
SHA256 = re.compile(r"[0-9a-f]{64}")

HEAD = "# Written by playbooks/release.yml. What is changed here by hand is refused.\n---\n"
_WIDTH = 240


class ReleaseError(ValueError):
    """A release that can't be one, or can't be used; the message names file, key and remedy."""


@dataclass(frozen=True)
class Package:
    """A package of a release: its Debian version and architecture, and the SHA-256 of the .deb as 64 hexadecimal digits."""

    version: str
    architecture: str
    sha256: str


@dataclass(frozen=True)
class Release:
    """Everything a release is made of.

    ``packages`` are ours, ``distribution`` those of the distribution that the snapshot froze with them. ``images`` maps a
    machine's role to the image id that is launched, ``bake_keys`` to the digest of what that image was baked from;
    ``templates`` maps a template's file name to its SHA-256, ``plan`` a stack (``account/name``) to the digest of what it
    takes from where. ``copies`` maps an account to the role and id of each image that it has of its own, instead of those; ``shares``
    to those of ``images`` that the account which baked them shares with it, so that it launches them in place.
    """

    name: str
    snapshot: str
    commit: str
    packages: dict[str, Package]
    images: dict[str, str]
    bake_keys: dict[str, str]
    templates: dict[str, str]
    plan: dict[str, str]
    distribution: dict[str, Package] = field(default_factory=dict)
    copies: dict[str, dict[str, str]] = field(default_factory=dict)
    shares: dict[str, dict[str, str]] = field(default_factory=dict)

    def as_data(self) -> dict[str, Any]:
        """The release as plain data, keys in the order in which a person reads them."""
        data = {key: value for key, value in asdict(self).items() if value or key not in _OPTIONAL}
        return {key: dict(sorted(value.items())) if isinstance(value, dict) else value for key, value in data.items()}


def text_of(release: Release) -> str:
    """The release as the text that is written: a line a package, so that two of them compare well."""
    data = release.as_data()
    for key in ("packages", "distribution"):
        data[key] = {name: _Line(package) for name, package in data[key].items()}
    return HEAD + str(yaml.dump(data, Dumper=_dumper(), sort_keys=False, width=_WIDTH))


class _Line(dict[str, str]):
    """A mapping that is written on one line."""


@lru_cache(maxsize=1)
def _dumper() -> Any:
    dumper: Any = type("ReleaseDumper", (yaml.SafeDumper,), {})
    dumper.add_representer(_Line, lambda self, value: self.represent_mapping("tag:yaml.org,2002:map", value, flow_style=True))
    return dumper


def load(path: Path) -> tuple[bytes, Release]:
    """The bytes of a release file, and the release that they are.

    :raises ReleaseError: if it can't be read, and as :func:`from_text` does.
    """
    try:
        content = path.read_bytes()
        return content, from_text(content.decode(), str(path))
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        remedy = "Make one with playbooks/release.yml, or name another with -e release_file=<path>"
        raise ReleaseError(f"Failed to read release file {path}: {why}. {remedy}.") from None


def from_text(text: str, where: str) -> Release:
    """Reads the text of a release file; ``where`` is its path, for messages.

    :raises ReleaseError: for what is no YAML, and as :func:`from_data` does.
    """
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise _refusal(where, "the file", f"it is no YAML ({' '.join(str(error).split())})") from None
    return from_data(data, where)


def from_data(data: object, where: str = "the release") -> Release:
    """Reads a release from plain data; ``where`` says whence, for messages.

    :raises ReleaseError: for an unknown or missing key, a wrong type, or a value that can't be one.
    """
    if not isinstance(data, Mapping):
        raise _refusal(where, "the file", "it holds no mapping")
    if unknown := sorted(set(map(str, data)) - set(_FIELDS)):
        raise _refusal(where, unknown[0], "it is no key of a release file")
    if missing := [name for name in _FIELDS if name not in data and name not in _OPTIONAL]:
        raise _refusal(where, missing[0], "it is missing")
    release = Release(**{name: _read(where, name, data[name]) for name in _FIELDS if name in data})
    for name in ("packages", "images", "templates", "plan"):
        if not data[name]:
            raise _refusal(where, name, "it is empty")
    if strange := sorted({f"{account}.{role}" for account, images in release.copies.items() for role in images if role not in release.images}):
        raise _refusal(where, f"copies.{strange[0]}", "it copies an image that the release does not name")
    for account, role, image in ((account, role, image) for account, images in release.shares.items() for role, image in images.items()):
        if image != release.images.get(role):
            raise _refusal(where, f"shares.{account}.{role}", "it shares an image that the release does not name")
        if role in release.copies.get(account, {}):
            raise _refusal(where, f"shares.{account}.{role}", "it shares an image that the account has a copy of")
    if lone := sorted(set(release.images) ^ set(release.bake_keys)):
        raise _refusal(where, f"bake_keys.{lone[0]}", "an image and its bake key go together, and one of them is missing")
    return release


def _read(where: str, name: str, value: object) -> Any:
    """The value of one key."""
    wanted = _FIELDS[name]
    if isinstance(wanted, re.Pattern):
        return _text(where, name, value, wanted)
    if not isinstance(value, Mapping):
        raise _refusal(where, name, f"it holds {type(value).__name__}, not a mapping")
    names, read = wanted
    return {_text(where, f"{name}.{key}", key, names): read(where, f"{name}.{key}", value[key]) for key in value}


def _text(where: str, key: str, value: object, pattern: re.Pattern[str]) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise _refusal(where, key, f"{value!r} does not look like one ({pattern.pattern})")
    return value


def _matching(pattern: re.Pattern[str]) -> Callable[[str, str, object], str]:
    return lambda where, key, value: _text(where, key, value, pattern)


def _package(where: str, key: str, value: object) -> Package:
    parts = {"version": VERSION, "architecture": ARCHITECTURE, "sha256": SHA256}
    if not isinstance(value, Mapping) or set(value) != set(parts):
        raise _refusal(where, key, "it needs exactly the keys version, architecture and sha256")
    return Package(**{part: _text(where, f"{key}.{part}", value[part], pattern) for part, pattern in parts.items()})


def _images(where: str, key: str, value: object) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise _refusal(where, key, f"it holds {type(value).__name__}, not a mapping")
    return {_text(where, f"{key}.{role}", role, ROLE): _text(where, f"{key}.{role}", image, IMAGE) for role, image in value.items()}


def _refusal(where: str, key: str, why: str) -> ReleaseError:
    return ReleaseError(f"Failed to read {where} at {key}: {why}. Have it written by playbooks/release.yml.")


_FIELDS: dict[str, re.Pattern[str] | tuple[re.Pattern[str], Callable[[str, str, object], Any]]] = {
    "name": NAME,
    "snapshot": SNAPSHOT,
    "commit": COMMIT,
    "packages": (PACKAGE, _package),
    "images": (ROLE, _matching(IMAGE)),
    "bake_keys": (ROLE, _matching(BAKE_KEY)),
    "templates": (TEMPLATE, _matching(SHA256)),
    "plan": (STACK, _matching(SHA256)),
    "distribution": (PACKAGE, _package),
    "copies": (ACCOUNT, _images),
    "shares": (ACCOUNT, _images),
}
# A release that was not promoted has neither.
_OPTIONAL = frozenset({"copies", "shares"})
