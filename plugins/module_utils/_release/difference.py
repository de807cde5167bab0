"""Two releases told apart, in the order in which a reader asks: the application, the libraries, the images, the stacks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .release import Package, Release

_DIGITS = 12


@dataclass(frozen=True)
class Change:
    """One thing that is not the same: ``before`` is empty for what is new, ``after`` for what is gone."""

    kind: str
    what: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.kind} {self.what}: {self.before or 'absent'} → {self.after or 'absent'}"


@dataclass(frozen=True)
class Section:
    """What a reader asks at once: a title, and its changes."""

    title: str
    changes: list[Change]


def difference(old: Release, new: Release, application: str = "twine") -> list[Section]:
    """What changed from ``old`` to ``new``: always the same sections, empty where nothing did.

    :param application: name of the package that users notice; all other packages are libraries.
    """
    ours = _packages("package", old.packages, new.packages)
    theirs = _packages("distribution", old.distribution, new.distribution)
    images = _texts("image", _images(old), _images(new))
    stacks = _texts("template", _short(old.templates), _short(new.templates)) + _texts("stack", _short(old.plan), _short(new.plan))
    return [
        Section("application", [change for change in ours if change.what == application]),
        Section("libraries", [change for change in ours if change.what != application] + theirs),
        Section("images", images),
        Section("stacks", stacks),
    ]


def sentences(sections: list[Section]) -> list[str]:
    """The changes of all sections, a line each."""
    return [str(change) for section in sections for change in section.changes]


def told(old: Release, new: Release, sections: list[Section]) -> list[str]:
    """The lines that a person reads: what is compared, then section by section in columns."""
    heads = (("release", old.name, new.name), ("commit", old.commit, new.commit), ("snapshot", old.snapshot, new.snapshot))
    lines = [f"{name:<10} {before}" + (f" → {after}" if after != before else ", the same") for name, before, after in heads]
    for section in sections:
        lines += ["", f"{section.title}{'' if section.changes else ': the same'}"]
        lines += _columns([(_label(change), change.before or "(new)", change.after or "(gone)") for change in section.changes])
    return lines


def _label(change: Change) -> str:
    return change.what if change.kind in ("package", "image", "template") else f"{change.what} ({_NOTES[change.kind]})"


_NOTES = {"distribution": "distribution", "stack": "what it takes from where"}


def _columns(rows: list[tuple[str, str, str]]) -> list[str]:
    first, second = (max((len(row[number]) for row in rows), default=0) for number in (0, 1))
    return [f"  {what:<{first}}  {before:<{second}} → {after}" for what, before, after in rows]


def _packages(kind: str, old: Mapping[str, Package], new: Mapping[str, Package]) -> list[Change]:
    moved = [name for name in sorted(old.keys() | new.keys()) if old.get(name) != new.get(name)]
    return [Change(kind, name, *_versions(old.get(name), new.get(name))) for name in moved]


def _versions(before: Package | None, after: Package | None) -> tuple[str, str]:
    """What tells two packages apart: their versions, or where these are equal, what else differs."""
    old, new = (package.version if package else "" for package in (before, after))
    if before and after and old == new:
        if before.architecture != after.architecture:
            return f"{old} {before.architecture}", f"{new} {after.architecture}"
        return f"{old} sha256 {before.sha256[:_DIGITS]}", f"{new} sha256 {after.sha256[:_DIGITS]}"
    return old, new


def _images(release: Release) -> dict[str, str]:
    return {role: f"{image} (baked from {release.bake_keys[role][:_DIGITS]})" for role, image in release.images.items()}


def _short(digests: Mapping[str, str]) -> dict[str, str]:
    return {name: digest[:_DIGITS] for name, digest in digests.items()}


def _texts(kind: str, old: Mapping[str, str], new: Mapping[str, str]) -> list[Change]:
    moved = [name for name in sorted(old.keys() | new.keys()) if old.get(name) != new.get(name)]
    return [Change(kind, name, old.get(name, ""), new.get(name, "")) for name in moved]
