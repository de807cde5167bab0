"""The distribution's part of a release: of its suites what machines need, with all that it depends on, frozen as one snapshot.

aptly fetches it and verifies the distribution's signature: https://www.aptly.info/doc/feature/mirror/
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from .aptly import WORK_PREFIX, Aptly
from .closure import closure, required
from .entry import Deb, Entry, content_digest
from .errors import PackageError
from .lock import Turn
from .relations import clauses
from .runner import Runner
from .tree import digest_of

_DIGITS = 8
_SECONDS = 1800.0
# What apt would ask for, such as 'http://archive.example.org/debian/dists/stable/InRelease' and words on its file.
_ASKED = re.compile(r"^'(?P<url>[^']+)/dists/(?P<suite>[^']+)/InRelease'", re.MULTILINE)


@dataclass(frozen=True)
class Suite:
    """One suite of the distribution, as a line of apt's sources names it; without an address it is the one that this machine's apt has."""

    url: str
    suite: str
    components: tuple[str, ...]


def addressed(suites: Sequence[Suite], run: Runner) -> tuple[Suite, ...]:
    """The suites, those without an address with the one that apt on this machine asks for them.

    :raises PackageError: if apt knows none, either.
    """
    if all(suite.url for suite in suites):
        return tuple(suites)
    asked = run(["apt-get", "update", "--print-uris"]).out
    known = {found["suite"]: found["url"] for found in reversed(list(_ASKED.finditer(asked)))}
    for suite in suites:
        if not suite.url and suite.suite not in known:
            raise PackageError(f"mirror {suite.suite}", "apt on this machine has no source of that suite", "Add one to it, or name the suite's url")
    return tuple(replace(suite, url=suite.url or known[suite.suite]) for suite in suites)


@dataclass(frozen=True)
class Frozen:
    """The snapshot that stands for the distribution; and what the one before held, empty when there was none."""

    name: str
    created: bool
    debs: tuple[Deb, ...] = ()
    before: tuple[Deb, ...] = ()
    turn: Turn = field(default_factory=Turn)


@dataclass(frozen=True)
class Mirror:
    """A filtered mirror of several suites, the first of which is the whole distribution and the others lie over it."""

    aptly: Aptly
    name: str
    suites: tuple[Suite, ...]
    architectures: tuple[str, ...]
    keyring: Path

    def own(self, snapshots: Iterable[str]) -> list[Entry]:
        """The packages of `snapshots`, which shall be installable with what is mirrored."""
        return [entry for snapshot in snapshots for entry in self.aptly.snapshot_entries(snapshot)]

    @staticmethod
    def roots(names: Iterable[str], own: Sequence[Entry]) -> list[str]:
        """`names` and what `own` packages depend on, without those packages themselves."""
        needed = {alternatives[0].name for entry in own for alternatives in clauses(entry.depends)}
        return sorted((set(names) | needed) - {entry.deb.name for entry in own})

    def frozen(self, roots: Sequence[str]) -> str:
        """The newest snapshot that was made for `roots` from these suites, empty when there is none."""
        inputs = self._inputs(roots)
        made = [name for name in self.aptly.snapshots() if name.startswith(f"{self.name}-") and name.split("-")[-2] == inputs]
        return max(made, default="")

    def ensure(self, roots: Sequence[str], own: Sequence[Entry], refresh: bool, seconds: float) -> Frozen:
        """Have a snapshot for `roots`: the frozen one, or with `refresh` what the distribution has today."""
        with self.aptly.turn(f"mirror {self.name}", seconds) as turn:
            self.aptly.drop_work()
            frozen = self.frozen(roots)
            held = self.aptly.snapshot_entries(frozen) if frozen else []
            before = tuple(sorted(entry.deb for entry in held))
            if frozen and not refresh:
                self._refuse(frozen, self._missing(held, roots, own), "Refresh it (aptly_mirror_refresh), or mend the package that says so")
                return Frozen(frozen, False, before, before, turn)
            debs = tuple(sorted(entry.deb for entry in self._update(roots, own)))
            if debs == before:
                self.aptly.drop_work()
                return Frozen(frozen, False, before, before, turn)
            now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
            name = f"{self.name}-{now}-{self._inputs(roots)}-{content_digest(debs)[:12]}"
            self.aptly.name_snapshot(self._work("merged"), name, debs)
            self.aptly.drop_work()
            return Frozen(name, True, debs, before, turn)

    def _update(self, roots: Sequence[str], own: Sequence[Entry]) -> list[Entry]:
        """Fetch what the distribution has today into a work snapshot; returns its entries."""
        wanted = set(roots)
        while True:
            entries = self._merged(wanted)
            missing = self._missing(entries, roots, own)
            # What a later suite brings may need something that only an earlier one has: it is asked for in another round.
            further = {phrase.split()[0] for phrase in missing} - wanted
            if not further:
                self._refuse(self.name, missing, "Mend the list of packages, or name the suites and components that have them")
                return entries
            wanted |= further

    def _refuse(self, what: str, missing: Sequence[str], remedy: str) -> None:
        if missing:
            raise PackageError(f"mirror {what}", f"it has not all that is needed: {'; '.join(missing[:8])}", remedy)

    def _merged(self, wanted: set[str]) -> list[Entry]:
        self.aptly.drop_work()
        names, sources = wanted, []
        for number, suite in enumerate(self.suites):
            mirror = self._mirror(suite)
            # Later suites take what the first one gave with its dependencies: an update of any of it belongs here.
            filters = f"Name (~ '^({'|'.join(_pattern(name) for name in sorted(names))})$')"
            self._fetch(suite, mirror, filters if number else f"{filters} | Priority (= required) | Essential (= yes)")
            sources.append(self._work(str(number)))
            self.aptly.snapshot_mirror(mirror, sources[-1])
            names = names | {deb.name for deb in self.aptly.snapshot_debs(sources[-1])}
        self.aptly.merge_newest(sources, self._work("merged"))
        return self.aptly.snapshot_entries(self._work("merged"))

    def _fetch(self, suite: Suite, mirror: str, filters: str) -> None:
        known = mirror in self.aptly.mirrors()
        options = [f"-filter={filters}", "-filter-with-deps"]
        what = f"mirror {suite.url} {suite.suite}"
        if known:
            self.aptly.mirror(what, ["edit", *options, mirror])
        else:
            architectures = f"-architectures={','.join(self.architectures)}"
            # Security suites call their components "updates/main" and serve them as "main", which apt asks for as well.
            place = ["-force-components", mirror, suite.url, suite.suite, *suite.components]
            self.aptly.mirror(what, ["create", architectures, f"-keyring={self.keyring}", *options, *place])
        # aptly notes who updates; whoever did so before us is gone, because the turn is ours.
        update = ["update", "-force", f"-keyring={self.keyring}", "-max-tries=3", "-skip-existing-packages", mirror]
        self.aptly.mirror(what, update, _SECONDS)

    def _missing(self, entries: Sequence[Entry], roots: Sequence[str], own: Sequence[Entry]) -> list[str]:
        """What neither the distribution nor our own packages give, for any of the architectures."""
        found: set[str] = set()
        ours = {entry.deb.name for entry in own}
        index = [*own, *(entry for entry in entries if entry.deb.name not in ours)]
        for architecture in self.architectures:
            built = [entry.deb.name for entry in own if entry.deb.architecture in (architecture, "all")]
            found |= set(closure(index, [*roots, *required(entries), *built], architecture).missing)
        return sorted(found)

    def _mirror(self, suite: Suite) -> str:
        """The aptly mirror of a suite: another address or other components are another mirror."""
        digits = digest_of(suite.url, suite.suite, *suite.components, "", *self.architectures)[:_DIGITS]
        return f"{self.name}-{suite.suite.replace('/', '-')}-{digits}"

    def _inputs(self, roots: Sequence[str]) -> str:
        places = [word for suite in self.suites for word in (suite.url, suite.suite, *suite.components, "")]
        return digest_of(*places, *self.architectures, "", *sorted(roots))[:_DIGITS]

    def _work(self, part: str) -> str:
        return f"{WORK_PREFIX}{self.name}-{part}"


def _pattern(name: str) -> str:
    """A package's name in a regular expression; in brackets, for aptly's queries take a backslash for themselves."""
    return "".join(f"[{letter}]" if letter in ".+" else letter for letter in name)
