"""What a package is, in a repository or an index of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from .tree import digest_of


@dataclass(frozen=True, order=True)
class Deb:
    """One package file by what identifies it."""

    name: str
    version: str
    architecture: str
    sha256: str

    @property
    def label(self) -> str:
        """Name, version and architecture, as aptly writes them; the query that finds this package and nothing else."""
        return f"{self.name}_{self.version}_{self.architecture}"

    @property
    def file_name(self) -> str:
        """The name of its file, as dpkg gives it: without the epoch."""
        return f"{self.name}_{self.version.rpartition(':')[2]}_{self.architecture}.deb"


@dataclass(frozen=True)
class Entry:
    """One package as an index names it: what it is, what it depends on and provides, whether every machine must have it."""

    deb: Deb
    depends: str = ""
    provides: str = ""
    required: bool = False

    def as_data(self) -> dict[str, str | bool]:
        """The entry as plain data."""
        return {**asdict(self.deb), "depends": self.depends, "provides": self.provides, "required": self.required}

    @classmethod
    def of(cls, fields: Mapping[str, str]) -> Entry:
        """The entry that the fields of an index's paragraph describe; raises KeyError for one that is missing."""
        deb = Deb(fields["Package"], fields["Version"], fields["Architecture"], fields["SHA256"])
        relations = [text for name in ("Pre-Depends", "Depends") if (text := fields.get(name, ""))]
        needed = fields.get("Essential", "") == "yes" or fields.get("Priority", "") == "required"
        return cls(deb, ", ".join(relations), fields.get("Provides", ""), needed)

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Entry:
        """The entry of which this is the plain data."""
        deb = Deb(data["name"], data["version"], data["architecture"], data["sha256"])
        return cls(deb, data["depends"], data["provides"], data["required"])


def content_digest(debs: Iterable[Deb]) -> str:
    """The SHA-256 over what a snapshot holds; the same content has the same digits everywhere."""
    return digest_of(*[f"{deb.label} {deb.sha256}" for deb in sorted(debs)])
