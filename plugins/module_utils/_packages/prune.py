"""What a repository may forget: snapshots that no live release reaches, and packages that no snapshot holds."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from .aptly import Aptly
from .entry import Deb
from .errors import PackageError
from .lock import Turn
from .publication import Publisher

# As snapshot.py and mirror.py name them. What somebody else made is left alone.
_RELEASE = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{12}")
_DISTRIBUTION = re.compile(r"(?P<name>.+)-(?P<time>\d{8}T\d{6}Z)-[0-9a-f]{8}-[0-9a-f]{12}")


@dataclass(frozen=True)
class Pruning:
    """What goes, what stays, and what a live release names that is not there."""

    dropped: list[str]
    kept: list[str]
    absent: list[str]
    packages: list[Deb]
    turn: Turn = field(default_factory=Turn)


def unreached(snapshots: Iterable[str], live: Iterable[str]) -> list[str]:
    """The snapshots that go: ours, but for `live` and the newest of each distribution. Letters' case has no part."""
    named = {name.lower() for name in live}
    newest: dict[str, str] = {}
    for name in sorted(snapshots):
        if found := _DISTRIBUTION.fullmatch(name):
            newest[found["name"]] = max(name, newest.get(found["name"], ""))
    stays = set(newest.values())
    return [
        name
        for name in sorted(snapshots)
        if (_RELEASE.fullmatch(name) or _DISTRIBUTION.fullmatch(name)) and name.lower() not in named and name not in stays
    ]


@dataclass(frozen=True)
class Pruner:
    """Prunes one repository."""

    publisher: Publisher
    repository: str

    @property
    def aptly(self) -> Aptly:
        return self.publisher.aptly

    def look(self, live: Sequence[str]) -> Pruning:
        """What `prune` would do; writes nothing. `live` are the snapshots of live releases; what is published lives as well."""
        if not live:
            raise PackageError("prune the repository", "no live release is named", "Name the snapshots of the releases that must stay")
        snapshots = self.aptly.snapshots()
        published = {found.snapshot for found in self.aptly.publications()}
        dropped = unreached(snapshots, [*live, *published])
        kept = sorted(set(snapshots) - set(dropped))
        there = {name.lower() for name in snapshots}
        needed = {deb for name in kept for deb in self.aptly.snapshot_debs(name)}
        packages = sorted(set(self.aptly.repository_debs(self.repository)) - needed)
        return Pruning(dropped, kept, sorted({name for name in live if name.lower() not in there}), packages)

    def prune(self, live: Sequence[str], seconds: float) -> Pruning:
        """Drop what nobody reaches, and its files."""
        with self.aptly.turn("prune", seconds) as turn:
            self.aptly.drop_work()
            plan = self.look(live)
            for name in plan.dropped:
                self.aptly.drop_snapshot(name)
            if plan.packages:
                self.aptly.remove(self.repository, plan.packages)
            if plan.dropped or plan.packages:
                self.aptly.clean()
                for shown in self.aptly.publications():
                    self.publisher.clean(shown)
            return replace(plan, turn=turn)
