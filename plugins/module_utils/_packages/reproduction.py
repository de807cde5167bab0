"""The proof that builds are reproducible: each package twice, from nothing, in two surroundings; the debs must be the same bytes."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import deb as debs
from .build import Workshop
from .builder import SURROUNDINGS, Builder, Surroundings
from .definition import Package
from .shelf import Record, Shelf
from .sources import Sources

# All that Debian's reproducible builds vary and a container can: https://reproducible-builds.org/docs/env-variations/
ONE = Surroundings(path="/build/package", zone="UTC", locale="C.UTF-8", umask="022", host="one")
OTHER = Surroundings(
    path="/tmp/somewhere/else/entirely",
    zone="Pacific/Kiritimati",
    locale="tr_TR.UTF-8",
    umask="077",
    host="other",
    clock="+400d",
)


@dataclass(frozen=True)
class Proof:
    """A package built twice: both debs' digests, the surroundings as the builds saw them, and what differs (nothing: proven)."""

    name: str
    version: str
    digests: tuple[str, str]
    surroundings: tuple[Mapping[str, str], Mapping[str, str]]
    differences: Sequence[str]
    debs: tuple[Path, Path]


def reproduce(
    builder: Builder,
    sources: Sources,
    folder: Path,
    distribution: str,
    packages: Sequence[Package],
    say: Callable[[str], None],
) -> list[Proof]:
    """Build `packages` twice under `folder`, which is emptied first, fetched sources included; builder and sources say how."""
    shutil.rmtree(folder, ignore_errors=True)
    built: list[tuple[Shelf, dict[str, Record]]] = []
    for name, surroundings in (("one", ONE), ("other", OTHER)):
        shelf = Shelf(folder / name)
        workshop = Workshop(
            dataclasses.replace(builder, surroundings=surroundings, lintian=False),
            dataclasses.replace(sources, cache=folder / name / "sources"),
            shelf,
            distribution,
        )
        steps = workshop.plan(packages, {})
        outcomes = workshop.carry_out(steps, [package.name for package in packages], say)
        built.append((shelf, {outcome.record.name: outcome.record for outcome in outcomes}))
    (one, first), (other, second) = built
    return [_compared(one, first[package.name], other, second[package.name]) for package in packages]


def _compared(one: Shelf, first: Record, other: Shelf, second: Record) -> Proof:
    found = (one.deb(first), other.deb(second))
    return Proof(
        name=first.name,
        version=first.version,
        digests=(first.sha256, second.sha256),
        surroundings=(_seen(one, first), _seen(other, second)),
        differences=[] if first.sha256 == second.sha256 else debs.differences(*found),
        debs=found,
    )


def _seen(shelf: Shelf, record: Record) -> dict[str, str]:
    """What the build itself read of where it was."""
    lines = (shelf.cached(record.name, record.key) / SURROUNDINGS).read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines)


def table(proofs: Sequence[Proof]) -> list[str]:
    """The proofs for people: of each package both digests, each with the surroundings of its build."""
    lines = []
    for proof in proofs:
        lines.append(f"{proof.name} {proof.version}: {'DIFFERENT' if proof.differences else 'the same bytes'}")
        for digest, seen in zip(proof.digests, proof.surroundings, strict=True):
            lines.append(f"  {digest}")
            lines.append(f"    {' '.join(f'{name}={value}' for name, value in seen.items())}")
        lines += [f"  {difference}" for difference in proof.differences]
    return lines
