"""From debs to an immutable snapshot: everything is proven before the first write."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .aptly import Aptly
from .control import paragraphs
from .entry import Deb, content_digest
from .errors import PackageError
from .lock import Turn
from .tree import sha256_of
from .versions import is_older

# Of a content's digest in a snapshot's name.
DIGITS = 12


@dataclass(frozen=True)
class Rules:
    """What a repository accepts: a version again with other content, a version older than one it has."""

    replace_same_version: bool = False
    allow_downgrade: bool = False


@dataclass
class Snapshot:
    """A snapshot that is there, or in check mode would be."""

    name: str
    created: bool
    debs: list[Deb]
    missing: list[Deb] = field(default_factory=list)
    replaced: list[Deb] = field(default_factory=list)
    turn: Turn = field(default_factory=Turn)


@dataclass(frozen=True)
class Repository:
    """The repository that keeps every deb ever published, and what it accepts."""

    aptly: Aptly
    name: str
    component: str
    distribution: str
    rules: Rules

    def look(self, debs: Sequence[Deb]) -> Snapshot:
        """What `ensure` would find and do; writes nothing and needs no files."""
        return self._plan(debs, self.aptly.repository_debs(self.name), self.aptly.snapshots())

    def ensure(self, debs: Sequence[Deb], files: Mapping[str, Path], seconds: float) -> Snapshot:
        """Have a snapshot of exactly `debs`; `files` (by package name) hold those that the repository lacks."""
        with self.aptly.turn("make a snapshot", seconds) as turn:
            # What is read here holds until the turn ends: asking aptly again would cost more than all else.
            held, snapshots = self.aptly.repository_debs(self.name), self.aptly.drop_work()
            plan = self._plan(debs, held, snapshots)
            plan.turn = turn
            if not plan.created:
                return plan
            self._refuse(plan, held)
            for deb in plan.missing:
                check_file(self.aptly, deb, files.get(deb.name))
            if not held:
                self.aptly.ensure_repository(self.name, self.component, self.distribution)
            if plan.replaced:
                self.aptly.remove(self.name, plan.replaced)
            if plan.missing:
                self.aptly.add(self.name, [files[deb.name] for deb in plan.missing])
            self.aptly.make_snapshot(self.name, plan.name, debs, sorted(set(held) - set(plan.replaced) - set(debs)))
            # The pool has them now; a file that an interrupted run left goes as well.
            for file in files.values():
                file.unlink(missing_ok=True)
            return plan

    def _plan(self, debs: Sequence[Deb], held: Sequence[Deb], snapshots: Sequence[str]) -> Snapshot:
        name = existing(self.aptly, debs, snapshots)
        missing = [] if name else sorted(set(debs) - set(held))
        return Snapshot(name or new_name(debs), not name, sorted(debs), missing, self._conflicts(missing, held))

    def _conflicts(self, missing: Sequence[Deb], held: Sequence[Deb]) -> list[Deb]:
        labels = {deb.label for deb in missing}
        return [deb for deb in held if deb.label in labels]

    def _refuse(self, plan: Snapshot, everything: Sequence[Deb]) -> None:
        """Raise PackageError for what the rules do not allow."""
        if plan.replaced and not self.rules.replace_same_version:
            raise PackageError(
                f"publish {plan.replaced[0].label}",
                "the repository has this version with other content",
                "Raise the version; what is published never changes",
            )
        if self.rules.allow_downgrade:
            return
        newest = {deb.name: deb for deb in plan.missing}
        for held in everything:
            deb = newest.get(held.name)
            if deb and is_older(deb.version, held.version):
                raise PackageError(
                    f"publish {deb.label}",
                    f"the repository has {held.version}, which is newer",
                    "Raise the version, or switch the publication back to the older snapshot",
                )


@dataclass(frozen=True)
class Merged:
    """Several snapshots as one: what a release is, our packages over the distribution's."""

    aptly: Aptly
    sources: tuple[str, ...]

    def look(self) -> Snapshot:
        """What `ensure` would find and do; writes nothing."""
        return self._plan(self.aptly.snapshots())

    def _plan(self, snapshots: Sequence[str]) -> Snapshot:
        found: dict[tuple[str, str], Deb] = {}
        for source in self.sources:
            found |= {(deb.name, deb.architecture): deb for deb in self.aptly.snapshot_debs(source)}
        debs = sorted(found.values())
        name = existing(self.aptly, debs, snapshots)
        return Snapshot(name or new_name(debs), not name, debs)

    def ensure(self, seconds: float) -> Snapshot:
        """Have a snapshot of what the sources hold; of a package that several have, the last one's."""
        with self.aptly.turn("merge snapshots", seconds) as turn:
            snapshots = self.aptly.drop_work()
            if absent := sorted(set(self.sources) - set(snapshots)):
                raise PackageError(f"merge {absent[0]}", "there is no such snapshot", "Make it first, or name one of `aptly snapshot list`")
            plan = self._plan(snapshots)
            plan.turn = turn
            if plan.created:
                self.aptly.merge_snapshots(self.sources, plan.name, plan.debs)
            return plan


def existing(aptly: Aptly, debs: Sequence[Deb], snapshots: Sequence[str]) -> str:
    """The newest of the snapshots with this very content, read and compared, not only recognised by its name; empty: there is none."""
    ending = f"-{content_digest(debs)[:DIGITS]}"
    for name in sorted(snapshots, reverse=True):
        if name.endswith(ending) and sorted(aptly.snapshot_debs(name)) == sorted(debs):
            return name
    return ""


def new_name(debs: Sequence[Deb]) -> str:
    """A snapshot's name: when (UTC) and what, such as `20251124T090000Z-0123456789ab`."""
    return f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{content_digest(debs)[:DIGITS]}"


def check_file(aptly: Aptly, deb: Deb, file: Path | None) -> None:
    """Raise PackageError unless `file` is that deb: whole, unaltered, and of that name, version and architecture."""
    if file is None or not file.is_file():
        raise PackageError(f"add {deb.label}", f"{file or 'its file'} is not on this machine", "Copy it here before you make the snapshot")
    actual = sha256_of(file)
    if actual != deb.sha256:
        raise PackageError(
            f"add {deb.label}",
            f"the SHA-256 of {file} is {actual}, meant is {deb.sha256}: it is cut off or altered",
            "Build it again, or copy it again",
        )
    result = aptly.run(["dpkg-deb", "--field", str(file), "Package", "Version", "Architecture"])
    if result.code:
        raise PackageError(f"add {deb.label}", f"{file} is no Debian package: {result.tail(1)}", "Build it again")
    said = paragraphs(result.out)[0]
    inside = Deb(said.get("Package", ""), said.get("Version", ""), said.get("Architecture", ""), actual)
    if inside != deb:
        raise PackageError(f"add {deb.label}", f"{file} is {inside.label}", "Name the package that is in the file")
    if file.name != deb.file_name:
        # aptly publishes a file under the name it came with, and two versions must not share one.
        raise PackageError(f"add {deb.label}", f"its file is named {file.name}", f"Name it {deb.file_name}")
