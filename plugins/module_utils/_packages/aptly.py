"""aptly, as this product uses it: one repository that keeps every deb, immutable snapshots, publications that switch.

What is where: https://www.aptly.info/doc/overview/
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import PackageError
from .runner import Result, Runner
from .tree import digest_of

_FORMAT = "{{.Package}} {{.Version}} {{.Architecture}} {{.SHA256}}"
WORK_PREFIX = "work-"


@dataclass(frozen=True, order=True)
class Deb:
    """One package file by what identifies it."""

    name: str
    version: str
    architecture: str
    sha256: str

    @property
    def label(self) -> str:
        """Name, version and architecture, as aptly writes them."""
        return f"{self.name}_{self.version}_{self.architecture}"

    @property
    def file_name(self) -> str:
        """The name of its file, as dpkg gives it: without the epoch."""
        return f"{self.name}_{self.version.rpartition(':')[2]}_{self.architecture}.deb"

    @property
    def query(self) -> str:
        """The aptly query that finds this package and no other version."""
        return f"{self.name} (= {self.version}) {{{self.architecture}}}"


@dataclass(frozen=True)
class Publication:
    """One published tree: where it is, and the snapshot it shows."""

    prefix: str
    distribution: str
    component: str
    snapshot: str


def content_digest(debs: Sequence[Deb]) -> str:
    """Twelve hexadecimal digits over what a snapshot holds; the same content has the same digits everywhere."""
    return digest_of(*[f"{deb.label} {deb.sha256}" for deb in sorted(debs)])[:12]


@dataclass(frozen=True)
class Aptly:
    """One aptly, run as the user who owns its files."""

    run: Runner
    root: Path
    config: Path
    user: str
    binary: str = "aptly"

    @property
    def lock(self) -> Path:
        """The file that its writers queue on."""
        return self.root / "writer.lock"

    def ensure_repository(self, name: str, component: str, distribution: str) -> None:
        if self._call("repo", "show", name).code:
            self._write(
                f"make the repository {name}",
                "repo",
                "create",
                f"-component={component}",
                f"-distribution={distribution}",
                name,
            )

    def repository_debs(self, name: str) -> list[Deb]:
        """Every deb of the repository; none when there is no such repository."""
        return self._search("repo", name)

    def snapshot_debs(self, name: str) -> list[Deb]:
        return self._search("snapshot", name)

    def snapshots(self) -> list[str]:
        return [str(entry["Name"]) for entry in self._json("snapshot", "list", "-json")]

    def add(self, repository: str, files: Sequence[Path]) -> None:
        self._write("add packages", "repo", "add", repository, *[str(path) for path in files])

    def remove(self, repository: str, debs: Sequence[Deb]) -> None:
        self._write("remove packages", "repo", "remove", repository, " | ".join(deb.query for deb in debs))

    def make_snapshot(self, repository: str, name: str, debs: Sequence[Deb]) -> None:
        """A snapshot of exactly `debs` out of the repository, under its name only when it holds just these."""
        work = f"{WORK_PREFIX}{name}"
        self._write("make a snapshot", "snapshot", "create", f"{work}-all", "from", "repo", repository)
        queries = [deb.query for deb in sorted(debs)]
        self._write("make a snapshot", "snapshot", "filter", f"{work}-all", work, " | ".join(queries))
        held = sorted(self.snapshot_debs(work))
        if held != sorted(debs):
            raise PackageError(
                f"make the snapshot {name}",
                f"it would hold {_labels(held)}, meant is {_labels(debs)}",
                "See whether another tool writes into this repository",
            )
        # A name is given once, to what is proven: nobody ever sees a snapshot that is not as meant.
        self._write("name a snapshot", "snapshot", "rename", work, name)
        self.drop_work()

    def drop_work(self) -> None:
        """Remove what an interrupted run left; the filtered one first, for it stands on the other."""
        for name in sorted((name for name in self.snapshots() if name.startswith(WORK_PREFIX)), key=len):
            self._write("clean up", "snapshot", "drop", "-force", name)

    def publications(self) -> list[Publication]:
        return [
            Publication(entry["Prefix"], entry["Distribution"], source["Component"], source["Name"])
            for entry in self._json("publish", "list", "-json")
            for source in entry["Sources"]
        ]

    def publish(self, wanted: Publication, options: Sequence[str]) -> None:
        self._write(
            f"publish {wanted.snapshot}",
            "publish",
            "snapshot",
            *options,
            f"-distribution={wanted.distribution}",
            f"-component={wanted.component}",
            wanted.snapshot,
            wanted.prefix,
        )

    def switch(self, wanted: Publication, options: Sequence[str]) -> None:
        self._write(
            f"publish {wanted.snapshot}",
            "publish",
            "switch",
            *options,
            f"-component={wanted.component}",
            wanted.distribution,
            wanted.prefix,
            wanted.snapshot,
        )

    def version(self) -> str:
        return self._call("version").out.strip().rpartition(" ")[2]

    def _search(self, kind: str, name: str) -> list[Deb]:
        result = self._call(kind, "search", f"-format={_FORMAT}", name)
        if result.code:
            # aptly ends with 1 when nothing matches, and when there is nothing of that name.
            if "no results" in result.err or "not found" in result.err:
                return []
            raise self._error(f"read the {kind} {name}", result)
        return [Deb(*line.split(" ")) for line in result.out.splitlines() if line]

    def _json(self, *args: str) -> list[dict[str, Any]]:
        result = self._call(*args)
        if result.code:
            raise self._error(f"run aptly {' '.join(args)}", result)
        return list(json.loads(result.out))

    def _write(self, what: str, *args: str) -> None:
        result = self._call(*args)
        if result.code:
            raise self._error(what, result)

    def _call(self, *args: str) -> Result:
        environment = {
            "HOME": str(self.root),
            "GNUPGHOME": str(self.root / ".gnupg"),
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "LC_ALL": "C.UTF-8",
        }
        return self.run(["runuser", "-u", self.user, "--", self.binary, f"-config={self.config}", *args], environment=environment)

    @staticmethod
    def _error(what: str, result: Result) -> PackageError:
        return PackageError(what, f"aptly says:\n{result.tail(6)}", "See disk space, ownership and aptly's own state")


def _labels(debs: Sequence[Deb]) -> str:
    return ", ".join(deb.label for deb in sorted(debs)) or "nothing"
