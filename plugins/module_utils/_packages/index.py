"""The proof of a published index: what apt reads there is exactly what was meant."""

from __future__ import annotations

from collections.abc import Sequence

from .control import paragraphs
from .entry import Deb, Entry
from .errors import PackageError


def entries(index: str) -> list[Entry]:
    """The entries of one or more `Packages` texts, each once (`all` packages stand in every architecture's index)."""
    found: dict[Entry, None] = {}
    for paragraph in paragraphs(index):
        try:
            found[Entry.of(paragraph)] = None
        except KeyError as error:
            raise PackageError(
                "read the published index",
                f"an entry lacks {error.args[0]}: {paragraph.get('Package', 'a nameless one')}",
                "Publish again; a tool other than this one may have written it",
            ) from None
    return list(found)


def differences(meant: Sequence[Deb], published: Sequence[Entry]) -> list[str]:
    """Every way in which the index is not what was meant, a line each; empty: it is exactly that."""
    found: dict[tuple[str, str], list[Deb]] = {}
    for entry in published:
        found.setdefault((entry.deb.name, entry.deb.architecture), []).append(entry.deb)
    lines = []
    for deb in sorted(meant):
        lines += _difference(deb, found.pop((deb.name, deb.architecture), []))
    for debs in found.values():
        lines += [f"{deb.label} is published and was not meant" for deb in sorted(debs)]
    return lines


def _difference(meant: Deb, published: Sequence[Deb]) -> list[str]:
    if not published:
        return [f"{meant.label} is missing"]
    if meant in published:
        return [f"{deb.label} is published beside {meant.version}" for deb in sorted(published) if deb != meant]
    found = min(published)
    if found.label == meant.label:
        return [f"{meant.label} has SHA-256 {found.sha256}, meant is {meant.sha256}"]
    return [f"{found.label} is published, meant is {meant.version} ({meant.architecture})"]
