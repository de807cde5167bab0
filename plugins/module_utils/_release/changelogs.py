"""Changelogs out of the debs of a published tree: what a package says of itself, whether upstream still has it or not."""

from __future__ import annotations

import gzip
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .._packages.control import paragraphs
from .._packages.errors import PackageError
from .._packages.runner import Runner
from .release import ReleaseError

# A package of the distribution's own has no upstream changelog beside Debian's.
_NAMES = ("changelog.Debian.gz", "changelog.gz")


@dataclass(frozen=True)
class Published:
    """One package of the tree: the deb it lies in, and the source it was built from."""

    name: str
    sha256: str
    source: str
    file: Path


@dataclass(frozen=True)
class Tree:
    """A published tree on this machine; ``work`` is a folder for what is unpacked, ``run`` starts dpkg-deb."""

    run: Runner
    root: Path
    work: Path

    def published(self) -> dict[str, Published]:
        """What its indices name, by SHA-256."""
        found = {}
        for index in sorted(self.root.glob("dists/*/*/binary-*/Packages")):
            for fields in paragraphs(index.read_text(encoding="utf-8")):
                source = fields.get("Source", fields["Package"]).split(" ")[0]
                found[fields["SHA256"]] = Published(fields["Package"], fields["SHA256"], source, self.root / fields["Filename"])
        if not found:
            raise ReleaseError(f"Failed to read changelogs: {self.root} holds no index. Publish first with playbooks/publish_packages.yml.")
        return found

    def changelogs(self, digests: Iterable[str]) -> dict[str, str]:
        """SHA-256 → changelog; without those that are not published, or that have none of their own nor of a sibling's.

        Packages of one source have one changelog, and often only one of them carries it.
        """
        published = self.published()
        wanted = {digest: published[digest] for digest in digests if digest in published}
        found: dict[str, str] = {}
        by_source: dict[str, str] = {}
        for digest, package in wanted.items():
            if text := self._read(package):
                found[digest] = by_source[package.source] = text
        for digest, package in wanted.items():
            if digest not in found and (text := by_source.get(package.source, "")):
                found[digest] = text
        return found

    def _read(self, package: Published) -> str:
        unpacked = self.work / "data.tar"
        result = self.run(["dpkg-deb", "--fsys-tarfile", str(package.file)], sink=unpacked)
        if result.code:
            raise PackageError(f"read {package.file}", result.tail(1), "Publish again with playbooks/publish_packages.yml")
        with tarfile.open(unpacked) as archive:
            for name in _NAMES:
                try:
                    member = archive.extractfile(f"./usr/share/doc/{package.name}/{name}")
                except KeyError:  # none of that name, or a link to another package's
                    continue
                if member is not None:
                    return gzip.decompress(member.read()).decode(errors="replace")
        return ""
