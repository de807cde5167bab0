"""Which secrets a configuration asks for, and what their files are called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from twine_machine.errors import MachineError

SECRET, PARAMETER = "_SECRET_ARN", "_PARAMETER"
ADMIN = "_admin"
PREFIXES = ("TWINE_", "MACHINE_")


@dataclass(frozen=True)
class Wanted:
    """One secret: the key that asks for it, its file's name, where it lies (`secret` or `parameter`) and what it is called there."""

    key: str
    file: str
    kind: str
    name: str

    @property
    def for_admin(self) -> bool:
        """Say whether it is for whoever prepares the machine's work, and not for who does it."""
        return self.file.endswith(ADMIN)


def wanted(values: Mapping[str, str]) -> list[Wanted]:
    """Return what the keys ask for. Two keys that mean one file are refused."""
    found: dict[str, Wanted] = {}
    for key, name in values.items():
        for kind, ending in (("secret", SECRET), ("parameter", PARAMETER)):
            stem = key.removesuffix(ending)
            if stem == key:
                continue
            file = _without_prefix(stem).lower()
            if not file or not name:
                raise MachineError(f"Failed to read the user data: {key} names nothing. Give it the name of a {kind}, or leave it out.")
            if file in found:
                raise MachineError(f"Failed to read the user data: {found[file].key} and {key} both make the file {file}. Rename one of them.")
            found[file] = Wanted(key, file, kind, name)
    return list(found.values())


def _without_prefix(stem: str) -> str:
    for prefix in PREFIXES:
        if stem.startswith(prefix):
            return stem.removeprefix(prefix)
    return stem
