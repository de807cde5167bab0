"""Whether two images are the same: everything that differs and is not allowed to, said so that one knows where to look."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .manifest import Build, Manifest, ManifestError, build_of

SECTIONS = ("packages", "users", "groups", "units", "environments", "sysctls", "ports", "files")
_FIELDS = {"path", "folder", "aspects", "reason"}
_REASON_LETTERS = 20
_ABSENT = "absent"
_SHOWN_DIGITS = 12
# Numbers that packages take in order for the accounts that they make: https://www.debian.org/doc/debian-policy/ch-opersys.html#uid-and-gid-classes
_ALLOTTED = range(100, 1000)
_NUMBERS = {"uid": "users", "gid": "groups"}


@dataclass(frozen=True)
class Allowance:
    """One thing that may differ, and why: a path, all that lies in a folder, or only some aspects of a path."""

    reason: str
    path: str = ""
    folder: str = ""
    aspects: tuple[str, ...] = ()

    def covers(self, difference: Difference) -> bool:
        """Whether the difference is this one."""
        if difference.section != "files" or (self.aspects and difference.aspect not in self.aspects):
            return False
        return difference.name == self.path or bool(self.folder and difference.name.startswith(f"{self.folder}/"))


@dataclass(frozen=True)
class Difference:
    """What differs: in which section, of what, which aspect of it (empty: it is not there), and the two values."""

    section: str
    name: str
    aspect: str
    left: str
    right: str
    origin: str = ""

    def __str__(self) -> str:
        aspect = f" {self.aspect}" if self.aspect else ""
        return f"{self.section} {self.name}{aspect}: {_short(self.left)} | {_short(self.right)}{f'   ← {self.origin}' if self.origin else ''}"


@dataclass(frozen=True)
class Comparison:
    """Two builds, what differs between them, how much each allowance let pass, what could not be compared, and how much they began with."""

    left: Build
    right: Build
    differences: list[Difference]
    allowed: dict[str, int]
    compared: dict[str, int]
    untold: list[str]
    began: int = 0

    @property
    def independent(self) -> bool:
        """Whether the two were made on bases of their own."""
        return self.left.base != self.right.base

    def lines(self) -> list[str]:
        """The report."""
        counts = ", ".join(f"{count} {section}" for section, count in self.compared.items())
        bases = "separately made bases" if self.independent else "one base"
        lines = [f"{self.left} against {self.right}, on {bases}: {counts}"]
        lines += [f"  {difference}" for difference in self.differences]
        lines += [f"  not compared: {line}" for line in self.untold]
        allowed = sum(self.allowed.values())
        began = f"; {self.began} more are between what they began with" if self.began else ""
        return [*lines, f"  {len(self.differences)} differences; {allowed} more are allowed, by {len(self.allowed)} reasons{began}"]


def allowances(data: Any, source: str) -> list[Allowance]:
    """The allow-list, checked.

    :raises ManifestError: for an entry without a reason, with a pattern, with an unknown field, or that would allow a whole tree.
    """
    if not isinstance(data, list):
        raise ManifestError(f"Failed to read {source}: it is no list. Write entries with path or folder, and reason.")
    return [_allowance(entry, f"entry {number} of {source}") for number, entry in enumerate(data, 1)]


def _allowance(entry: Any, where: str) -> Allowance:
    if not isinstance(entry, dict) or not entry.keys() <= _FIELDS:
        raise ManifestError(f"Failed to read {where}: {entry} has other fields than these. Use {', '.join(sorted(_FIELDS))}.")
    places = [str(entry[key]) for key in ("path", "folder") if entry.get(key)]
    reason = str(entry.get("reason") or "")
    problem = ""
    if len(places) != 1:
        problem = "it needs either path or folder"
    elif not places[0].startswith("/") or places[0].endswith("/") or set(places[0]) & set("*?["):
        problem = f"{places[0]} is not one exact absolute path"
    elif entry.get("folder") and places[0] in ("/etc", "/usr", "/var", "/opt", "/srv", "/lib", "/var/lib"):
        problem = f"folder {places[0]} is too much to allow"
    elif len(reason) < _REASON_LETTERS:
        problem = f"{places[0]} has no reason"
    if problem:
        raise ManifestError(f"Failed to read {where}: {problem}. Name the place that may differ, and say why.")
    return Allowance(reason, str(entry.get("path") or ""), str(entry.get("folder") or ""), tuple(map(str, entry.get("aspects") or ())))


def compare(left: Manifest, right: Manifest, allowed: Iterable[Allowance], began: Sequence[Manifest] = ()) -> Comparison:
    """Compare two manifests.

    :param began: the manifests of what the two were made upon, when that cannot be alike: a virtual machine has a kernel. What differs
        there is not held against the two, nor that an account which both got later has another number where they began with other accounts:
        files are compared by the names of their owners.
    :raises ManifestError: if they are of one and the same build, or made by different collectors: that would prove nothing.
    """
    ours, theirs = build_of(left), build_of(right)
    _refuse(left, right, ours, theirs)
    every = _all(left, right)
    before = {(one.section, one.name, one.aspect) for one in _all(*began)} if began else set()
    # What only one of them began with may differ in anything; of what both had, in that in which it did.
    found = [
        one for one in every if not before & {(one.section, one.name, ""), (one.section, one.name, one.aspect)} and not _is_next_number(one, began)
    ]
    kept, counts = [], Counter[str]()
    allowed = list(allowed)
    for difference in found:
        by = next((one for one in allowed if one.covers(difference)), None)
        if by:
            counts[by.path or by.folder] += 1
        else:
            kept.append(difference)
    untold = [f"ports, since no machine of {build} was started" for build, side in ((ours, left), (theirs, right)) if side["ports"] is None]
    compared = {section: max(len(left[section] or ()), len(right[section] or ())) for section in SECTIONS}
    return Comparison(ours, theirs, _folded(kept), dict(counts), compared, untold, len(every) - len(found))


def _is_next_number(one: Difference, began: Sequence[Manifest]) -> bool:
    kind = _NUMBERS.get(one.aspect)
    if kind is None or one.section not in _NUMBERS.values() or any(one.name in side[one.section] for side in began):
        return False
    others = {frozenset(side[kind]) for side in began}
    return len(others) > 1 and all(value.isdigit() and int(value) in _ALLOTTED for value in (one.left, one.right))


def _all(left: Manifest, right: Manifest) -> list[Difference]:
    return [difference for section in SECTIONS for difference in _differences(section, left[section], right[section])]


def _refuse(left: Manifest, right: Manifest, ours: Build, theirs: Build) -> None:
    if ours.id == theirs.id:
        raise ManifestError(
            f"Failed to compare {ours} with {theirs}: both are one converge, and a thing is always equal to itself. Make one of them anew."
        )
    collectors = left["build"].get("collector"), right["build"].get("collector")
    if collectors[0] != collectors[1]:
        raise ManifestError(
            f"Failed to compare {ours} with {theirs}: different code made their manifests ({collectors[0]}, {collectors[1]}). Make both again."
        )


def _differences(section: str, left: Any, right: Any) -> list[Difference]:
    if left is None or right is None:
        return []
    if isinstance(left, list):
        left, right = dict.fromkeys(left, "listens"), dict.fromkeys(right, "listens")
    found = []
    for name in sorted(left.keys() | right.keys()):
        ours, theirs = left.get(name), right.get(name)
        if ours == theirs:
            continue
        origin = _origin(ours) or _origin(theirs)
        if ours is None or theirs is None or not isinstance(ours, Mapping):
            found.append(Difference(section, name, "", _said(ours), _said(theirs), origin))
            continue
        aspects = sorted((ours.keys() | theirs.keys()) - {"origin"})
        found += [
            Difference(section, name, aspect, _said(ours.get(aspect)), _said(theirs.get(aspect)), origin)
            for aspect in aspects
            if ours.get(aspect) != theirs.get(aspect)
        ]
    return found


def _origin(value: Any) -> str:
    return str(value.get("origin", "")) if isinstance(value, Mapping) else ""


def _said(value: Any) -> str:
    if value is None:
        return _ABSENT
    if isinstance(value, Mapping):
        return str(value.get("version") or value.get("type") or "there")
    return ",".join(value) if isinstance(value, list) else str(value)


def _short(value: str) -> str:
    return value[:_SHOWN_DIGITS] if len(value) == 64 and value.isalnum() else value


def _folded(differences: list[Difference]) -> list[Difference]:
    """Without the files of packages that differ themselves: they are counted behind the package."""
    moved = {_package(difference) for difference in differences if difference.section == "packages"}
    files = Counter(difference.origin for difference in differences if difference.section == "files" and difference.origin in moved)
    kept = [difference for difference in differences if difference.section != "files" or difference.origin not in moved]
    return [
        replace(difference, origin=f"and {count} differences in its files") if (count := files[_package(difference)]) else difference
        for difference in kept
    ]


def _package(difference: Difference) -> str:
    return f"package {difference.name.partition(':')[0]}" if difference.section == "packages" else ""
