"""What installing packages brings: their dependencies, resolved within one index as apt resolves them, without Recommends."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .entry import Entry
from .relations import Relation, clauses
from .versions import sort_key


@dataclass(frozen=True)
class Resolved:
    """The packages that are installed, by name; and what the index cannot give, a phrase each with who wants it."""

    packages: dict[str, Entry]
    missing: tuple[str, ...]


def closure(index: Iterable[Entry], names: Iterable[str], architecture: str) -> Resolved:
    """Everything that a machine of `architecture` has after installing `names` from `index` and from nothing else.

    Pure, and the same for any order of `index` and `names`. Of a name with several versions, the newest is taken.
    """
    found = _Choice(index, architecture)
    queue = [(name, Relation(name)) for name in sorted(set(names))]
    missing: dict[str, None] = {}
    while queue:
        wanted_by, relation = queue.pop(0)
        entry = found.choose([relation])
        if entry is None:
            missing[wanted_by if relation.name == wanted_by else f"{relation} (for {wanted_by})"] = None
        elif entry.deb.name not in found.chosen:
            found.chosen[entry.deb.name] = entry
            queue += [(entry.deb.name, found.first(alternatives)) for alternatives in clauses(entry.depends)]
    return Resolved(dict(sorted(found.chosen.items())), tuple(sorted(missing)))


def required(index: Iterable[Entry]) -> list[str]:
    """The names of what every machine has, because the distribution says so."""
    return sorted({entry.deb.name for entry in index if entry.required})


class _Choice:
    """What the index offers, and what was taken of it."""

    def __init__(self, index: Iterable[Entry], architecture: str) -> None:
        self.chosen: dict[str, Entry] = {}
        self._by_name: dict[str, list[Entry]] = {}
        self._providers: dict[str, list[tuple[Entry, str]]] = {}
        fitting = [entry for entry in index if entry.deb.architecture in (architecture, "all")]
        # The newest first, then by what identifies it: the order of the index must not matter.
        for entry in sorted(fitting, key=lambda entry: (sort_key(entry.deb.version), entry.deb), reverse=True):
            self._by_name.setdefault(entry.deb.name, []).append(entry)
        for name in sorted(self._by_name):
            for alternatives in clauses(self._by_name[name][0].provides):
                for provided in alternatives:
                    self._providers.setdefault(provided.name, []).append((self._by_name[name][0], provided.version))

    def choose(self, alternatives: Sequence[Relation]) -> Entry | None:
        """The package that answers: one that was taken already, or else the first that can be had."""
        offers = [entry for relation in alternatives for entry in self._offers(relation)]
        return next((entry for entry in offers if self.chosen.get(entry.deb.name) == entry), offers[0] if offers else None)

    def first(self, alternatives: Sequence[Relation]) -> Relation:
        """The alternative to follow; the first when none can be had, so that it is the one that is named as missing."""
        entry = self.choose(alternatives)
        return next((relation for relation in alternatives if entry in self._offers(relation)), alternatives[0])

    def _offers(self, relation: Relation) -> list[Entry]:
        real = [entry for entry in self._by_name.get(relation.name, []) if relation.holds(entry.deb.version)]
        return real + [entry for entry, version in self._providers.get(relation.name, []) if relation.holds(version)]
