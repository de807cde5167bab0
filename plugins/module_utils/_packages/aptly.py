"""aptly, as this product uses it: one repository that keeps every deb, immutable snapshots, publications that switch.

What is where: https://www.aptly.info/doc/overview/
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .entry import Deb, Entry
from .errors import PackageError
from .lock import Turn, writer
from .runner import Result, Runner

_FORMAT = "{{.Package}} {{.Version}} {{.Architecture}} {{.SHA256}}"
_ENTRY_FIELDS = ("Package", "Version", "Architecture", "SHA256", "Pre-Depends", "Depends", "Provides", "Essential", "Priority")
# A package lacks most of these, and aptly would write "<no value>".
_ENTRY_FORMAT = "\t".join('{{with index . "' + name + '"}}{{.}}{{end}}' for name in _ENTRY_FIELDS)
WORK_PREFIX = "work-"


@dataclass(frozen=True)
class Publication:
    """One published tree: where it is, and the snapshot it shows."""

    prefix: str
    distribution: str
    component: str
    snapshot: str


@dataclass(frozen=True)
class Aptly:
    """One aptly, run as the user who owns its files; `who` is told to others who wait."""

    run: Runner
    root: Path
    config: Path
    user: str
    binary: str = "aptly"
    who: str = ""

    @classmethod
    def of(cls, run: Runner, params: Mapping[str, Any]) -> Aptly:
        """The one that a module's parameters name."""
        return cls(run, Path(params["root"]), Path(params["config"]), params["user"], who=params["writer"])

    def turn(self, purpose: str, seconds: float) -> AbstractContextManager[Turn]:
        """Its writers' turn, for which they queue on one file."""
        return writer(self.root / "writer.lock", purpose, seconds, self.who)

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

    def snapshot_entries(self, name: str) -> list[Entry]:
        """The snapshot's packages as an index names them, with what they depend on."""
        lines = self._lines("snapshot", name, _ENTRY_FORMAT)
        return [Entry.of(dict(zip(_ENTRY_FIELDS, line.split("\t"), strict=True))) for line in lines]

    def snapshots(self) -> list[str]:
        return [str(entry["Name"]) for entry in self._json("snapshot", "list", "-json")]

    def add(self, repository: str, files: Sequence[Path]) -> None:
        self._write("add packages", "repo", "add", repository, *[str(path) for path in files])

    def remove(self, repository: str, debs: Sequence[Deb]) -> None:
        self._write("remove packages", "repo", "remove", repository, *[deb.label for deb in debs])

    def make_snapshot(self, repository: str, name: str, debs: Sequence[Deb], unwanted: Sequence[Deb]) -> None:
        """A snapshot of exactly `debs` out of the repository, which has `unwanted` beside them."""
        work, everything = f"{WORK_PREFIX}{name}", f"{WORK_PREFIX}{name}-all"
        self._write("make a snapshot", "snapshot", "create", everything if unwanted else work, "from", "repo", repository)
        if unwanted:
            # A long query costs aptly more than anything else here: say the shorter of what is wanted and what is not.
            queries = [deb.label for deb in sorted(debs)] if len(debs) <= len(unwanted) else [f"!({' | '.join(deb.label for deb in unwanted)})"]
            self._write("make a snapshot", "snapshot", "filter", everything, work, *queries)
            self.drop_snapshot(everything)
        self.name_snapshot(work, name, debs)

    def merge_snapshots(self, sources: Sequence[str], name: str, debs: Sequence[Deb]) -> None:
        """A snapshot of what the sources hold, which must be `debs`; of a package that several have, the last one's."""
        work = f"{WORK_PREFIX}{name}"
        self._write("merge snapshots", "snapshot", "merge", work, *sources)
        self.name_snapshot(work, name, debs)

    def name_snapshot(self, work: str, name: str, debs: Sequence[Deb]) -> None:
        """Give a snapshot its name, once, to what is proven: nobody ever sees a snapshot that is not as meant."""
        held = self.snapshot_debs(work)
        if sorted(held) != sorted(debs):
            lines = [f"{deb.label} is missing" for deb in sorted(set(debs) - set(held))]
            lines += [f"{deb.label} is too many" for deb in sorted(set(held) - set(debs))]
            raise PackageError(f"make the snapshot {name}", "; ".join(lines[:8]), "See whether another tool writes into this repository")
        self._write("name a snapshot", "snapshot", "rename", work, name)

    def drop_work(self) -> list[str]:
        """Remove what an interrupted run left; returns the snapshots that stay."""
        snapshots = self.snapshots()
        for name in snapshots:
            if name.startswith(WORK_PREFIX):
                self.drop_snapshot(name)
        return [name for name in snapshots if not name.startswith(WORK_PREFIX)]

    def drop_snapshot(self, name: str) -> None:
        """Remove a snapshot; others that were made from it keep what they hold."""
        self._write(f"drop the snapshot {name}", "snapshot", "drop", "-force", name)

    def clean(self) -> None:
        """Remove files of packages that nothing holds any more."""
        self._write("remove unused files", "db", "cleanup")

    def mirrors(self) -> list[str]:
        return [str(entry["Name"]) for entry in self._json("mirror", "list", "-json")]

    def mirror(self, what: str, args: Sequence[str], seconds: float = 600) -> None:
        """Run one of aptly's commands about mirrors."""
        result = self._call("mirror", *args, seconds=seconds)
        if result.code:
            raise PackageError(what, f"aptly says:\n{result.tail(4)}", "See whether this machine reaches that address and has its key")

    def snapshot_mirror(self, mirror: str, name: str) -> None:
        """A snapshot of all that a mirror fetched."""
        self._write("make a snapshot", "snapshot", "create", name, "from", "mirror", mirror)

    def merge_newest(self, sources: Sequence[str], name: str) -> None:
        """A snapshot of what the sources hold; of a package that several have, the newest."""
        self._write("merge snapshots", "snapshot", "merge", "-latest", name, *sources)

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
        return [Deb(*line.split(" ")) for line in self._lines(kind, name, _FORMAT)]

    def _lines(self, kind: str, name: str, form: str) -> list[str]:
        result = self._call(kind, "search", f"-format={form}", name)
        if result.code:
            # aptly ends with 1 when nothing matches, and when there is nothing of that name.
            if "no results" in result.err or "not found" in result.err:
                return []
            raise self._error(f"read the {kind} {name}", result)
        return [line for line in result.out.splitlines() if line]

    def _json(self, *args: str) -> list[dict[str, Any]]:
        result = self._call(*args)
        if result.code:
            raise self._error(f"run aptly {' '.join(args)}", result)
        return list(json.loads(result.out))

    def _write(self, what: str, *args: str) -> None:
        result = self._call(*args)
        if result.code:
            raise self._error(what, result)

    def gpg(self, *args: str) -> Result:
        """Run gpg with the keys that aptly signs with."""
        return self._run(["gpg", "--batch", "--yes", *args])

    def _call(self, *args: str, seconds: float = 600) -> Result:
        return self._run([self.binary, f"-config={self.config}", *args], seconds)

    def _run(self, command: Sequence[str], seconds: float = 600) -> Result:
        environment = {
            "HOME": str(self.root),
            "GNUPGHOME": str(self.root / ".gnupg"),
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "LC_ALL": "C.UTF-8",
        }
        return self.run(["runuser", "-u", self.user, "--", *command], environment=environment, seconds=seconds)

    @staticmethod
    def _error(what: str, result: Result) -> PackageError:
        return PackageError(what, f"aptly says:\n{result.tail(6)}", "See disk space, ownership and aptly's own state")
