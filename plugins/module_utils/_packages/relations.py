"""Relations between packages: `Depends`, `Pre-Depends` and `Provides`, as an index writes them.

Syntax and meaning: https://www.debian.org/doc/debian-policy/ch-relationships.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .errors import PackageError
from .versions import sort_key

_RELATION = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9+.-]*)(?::[a-z0-9-]+)?(?:\s*\((?P<operator><<|<=|=|>=|>>)\s*(?P<version>[^\s)]+)\s*\))?")


@dataclass(frozen=True)
class Relation:
    """One package by name and, with an operator, by version."""

    name: str
    operator: str = ""
    version: str = ""

    def __str__(self) -> str:
        return f"{self.name} ({self.operator} {self.version})" if self.operator else self.name

    def holds(self, version: str) -> bool:
        """Whether a package of that version, or a virtual one that is provided with it, is meant; empty: it has none."""
        if not self.operator:
            return True
        if not version:
            return False
        found, wanted = sort_key(version), sort_key(self.version)
        return {
            "<<": found < wanted,
            "<=": found <= wanted,
            "=": found == wanted,
            ">=": found >= wanted,
            ">>": found > wanted,
        }[self.operator]


def clauses(text: str) -> list[list[Relation]]:
    """The clauses of a relation field; each holds when one of its alternatives does."""
    return [[_relation(part) for part in clause.split("|")] for clause in text.replace("\n", " ").split(",") if clause.strip()]


def _relation(text: str) -> Relation:
    found = _RELATION.fullmatch(text.strip())
    if found is None:
        raise PackageError("read a dependency", f"'{text.strip()}' is none", "Look at the Depends of the package that says so")
    return Relation(found["name"], found["operator"] or "", found["version"] or "")
