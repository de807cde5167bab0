"""Debian versions: how they are written, ordered, and kept in a changelog.

Order and syntax: https://www.debian.org/doc/debian-policy/ch-controlfields.html#version
"""

from __future__ import annotations

import re

from .errors import PackageError

_UPSTREAM = re.compile(r"[0-9][A-Za-z0-9.+~]*")
_CHANGELOG_TOP = re.compile(r"\A(?P<name>[a-z0-9][a-z0-9+.-]*) \((?P<version>[^)]+)\) (?P<rest>[^\n]*)\n")
_PIECES = re.compile(r"(\D*)(\d*)")


def is_upstream(version: str) -> bool:
    """Whether `version` can be the upstream part of a Debian version that has a revision."""
    return _UPSTREAM.fullmatch(version) is not None


def deb_version(upstream: str, revision: int, distribution: str) -> str:
    """The version of the deb for one distribution: `1.0.0-1~deb12`.

    A version belongs to a distribution, because what is built on it does (Python's minor version, library names).
    """
    return f"{upstream}-{revision}~{distribution}"


def sort_key(version: str) -> tuple[tuple[int, ...], ...]:
    """A key by which versions sort as dpkg sorts them."""
    epoch, rest = version.split(":", 1) if ":" in version else ("0", version)
    upstream, revision = rest.rsplit("-", 1) if "-" in rest else (rest, "0")
    return ((int(epoch),), *_parts(upstream), _END, *_parts(revision), _END)


def is_older(version: str, other: str) -> bool:
    """Whether dpkg takes `version` for older than `other`."""
    return sort_key(version) < sort_key(other)


def changelog_top(changelog: str, where: str) -> tuple[str, str]:
    """Name and version of the changelog's top entry."""
    found = _CHANGELOG_TOP.match(changelog)
    if found is None:
        raise PackageError(
            f"read {where}",
            "its first line is not 'name (version) distribution; urgency=level'",
            "Write the top entry as deb-changelog(5) shows it.",
        )
    return found["name"], found["version"]


def with_version(changelog: str, version: str, where: str) -> str:
    """The changelog with another version in its top entry; date and text stay, so that the build stays reproducible."""
    name, _old = changelog_top(changelog, where)
    return _CHANGELOG_TOP.sub(lambda top: f"{name} ({version}) {top['rest']}\n", changelog, count=1)


# The end of a part ranks after a tilde and before everything else: the rank of an empty word.
_END = (0,)


def _parts(text: str) -> list[tuple[int, ...]]:
    parts: list[tuple[int, ...]] = []
    for word, number in _PIECES.findall(text):
        if word or number:
            parts.append((*[_rank(letter) for letter in word], 0))
            parts.append((int(number or "0"),))
    return parts


def _rank(letter: str) -> int:
    if letter == "~":
        return -1
    return ord(letter) if letter.isalpha() else ord(letter) + 256
