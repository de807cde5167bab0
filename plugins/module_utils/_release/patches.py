"""What the distribution has mended between two releases: read from packages' own changelogs, told for a person.

A changelog's form: https://www.debian.org/doc/debian-policy/ch-source.html#debian-changelog-debian-changelog
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from .._packages.versions import is_older
from .release import Package

_TOP = re.compile(r"^(?P<name>[a-z0-9][a-z0-9+.-]*) \((?P<version>[^)]+)\)(?P<suites>[^;\n]*);")
_END = re.compile(r"^ -- .*>  ?(?P<date>.+)$")
_ADVISORY = re.compile(r"\b(?:CVE-\d{4}-\d{4,}|D[SL]A-\d{3,}-\d+)\b")
_SECONDS_A_DAY = 86400


@dataclass(frozen=True)
class Entry:
    """One entry of a changelog: a version, when it was made (UTC), the advisories it names, and whether it was for a security suite."""

    version: str
    made: datetime
    advisories: tuple[str, ...]
    security: bool


@dataclass(frozen=True)
class Update:
    """A package that moved. ``since`` is when its oldest security fix in between was made; ``None`` if there is none that is told."""

    name: str
    before: str
    after: str
    advisories: tuple[str, ...] = ()
    since: datetime | None = None

    @property
    def security(self) -> bool:
        """Whether it mends something that an attacker could use."""
        return self.since is not None

    def days(self, now: datetime) -> int:
        """Whole days since the fix was made."""
        return int((now - self.since).total_seconds() // _SECONDS_A_DAY) if self.since else 0


@dataclass(frozen=True)
class Report:
    """The way from one set of the distribution's packages to another: security fixes first, the oldest at the top."""

    fixes: list[Update] = field(default_factory=list)
    others: list[Update] = field(default_factory=list)
    new: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    silent: list[str] = field(default_factory=list)

    def oldest(self, now: datetime) -> int:
        """Days that the oldest fix has been waiting; 0 without any."""
        return max((update.days(now) for update in self.fixes), default=0)


def moved(running: Mapping[str, Package], candidate: Mapping[str, Package]) -> list[str]:
    """Names of the packages that both have and that the candidate has newer."""
    both = running.keys() & candidate.keys()
    return sorted(name for name in both if is_older(running[name].version, candidate[name].version))


def entries(changelog: str) -> list[Entry]:
    """The entries of a Debian changelog, newest first; what is not an entry is passed over."""
    found: list[Entry] = []
    top, body = None, ""
    for line in changelog.splitlines():
        if begin := _TOP.match(line):
            top, body = begin, line
        elif top and (end := _END.match(line)):
            if made := _date(end["date"]):
                advisories = tuple(dict.fromkeys(_ADVISORY.findall(body)))
                found.append(Entry(top["version"], made, advisories, any(suite.endswith("-security") for suite in top["suites"].split())))
            top = None
        else:
            body += f"\n{line}"
    return found


def between(changelog: str, before: str, after: str) -> list[Entry]:
    """The entries that lead from version ``before``, which is not among them, to ``after``, which is."""
    return [entry for entry in entries(changelog) if is_older(before, entry.version) and not is_older(after, entry.version)]


def report(running: Mapping[str, Package], candidate: Mapping[str, Package], changelogs: Mapping[str, str]) -> Report:
    """What the running release leaves open and the candidate closes.

    :param changelogs: package → text of its changelog as the candidate has it; a package without one is told as silent.
    """
    updates = {name: _update(name, running[name].version, candidate[name].version, changelogs.get(name, "")) for name in moved(running, candidate)}
    fixes = sorted((update for update in updates.values() if update.since), key=lambda update: (update.since or _NEVER, update.name))
    return Report(
        fixes=fixes,
        others=[update for update in updates.values() if not update.security],
        new=sorted(candidate.keys() - running.keys()),
        gone=sorted(running.keys() - candidate.keys()),
        silent=[name for name in updates if not changelogs.get(name)],
    )


def told(found: Report, now: datetime) -> list[str]:
    """The report as lines: the age of the oldest unshipped security fix, each fix, then what else moved."""
    days = found.oldest(now)
    lines = [f"{_count(len(found.fixes), 'security fix', 'es')} open" + (f", the oldest for {_count(days, 'day')}" if found.fixes else "")]
    widths = [max((len(text) for text in column), default=0) for column in zip(*[(u.name, u.before, u.after) for u in found.fixes], strict=True)]
    for update in found.fixes:
        name, before, after = (text.ljust(width) for text, width in zip((update.name, update.before, update.after), widths, strict=True))
        age = _count(update.days(now), "day")
        lines.append(f"  {name}  {before} → {after}  {age:>8}  {' '.join(update.advisories) or 'no advisory is named'}")
    if found.others:
        lines.append(f"{_count(len(found.others), 'other update')}: {', '.join(f'{u.name} {u.after}' for u in found.others)}")
    for word, names in (("new", found.new), ("gone", found.gone), ("without a changelog, so nothing is known of", found.silent)):
        lines += [f"{word}: {', '.join(names)}"] if names else []
    return lines


def _update(name: str, before: str, after: str, changelog: str) -> Update:
    between_them = between(changelog, before, after)
    fixes = [entry for entry in between_them if entry.advisories or entry.security]
    advisories = sorted({advisory for entry in fixes for advisory in entry.advisories}, key=_by_number)
    return Update(name, before, after, tuple(advisories), min((entry.made for entry in fixes), default=None))


def _by_number(advisory: str) -> tuple[str, list[int]]:
    kind, *numbers = advisory.split("-")
    return kind, [int(number) for number in numbers]


def _date(text: str) -> datetime | None:
    try:
        made = parsedate_to_datetime(text.strip())
    except ValueError:
        return None
    return made.replace(tzinfo=UTC) if made.tzinfo is None else made.astimezone(UTC)


def _count(number: int, noun: str, plural: str = "s") -> str:
    return f"{number} {noun}{'' if number == 1 else plural}"


_NEVER = datetime.max.replace(tzinfo=UTC)
