"""Where built packages lie: the folder that others read, the records of what is in it, and a cache of earlier builds."""

from __future__ import annotations

import fcntl
import json
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from .tree import sha256_of

# What others read: name, version, architecture, file and SHA-256 of each deb that is in the folder.
LIST = "packages.json"
_RECORDS = ".records.json"
_KEPT_BUILDS = 4
_PLACED = (".deb", ".buildinfo", ".json")


@dataclass(frozen=True)
class Record:
    """What was built: the deb, and the inputs whose digest is its key."""

    name: str
    version: str
    architecture: str
    file: str
    sha256: str
    key: str
    seconds: float
    # What the deb says that it depends on.
    depends: str = ""
    # The key of the smoke test that it passed last.
    passed: str = ""
    inputs: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Shelf:
    """The folder for built packages."""

    folder: Path

    def records(self) -> dict[str, Record]:
        """The last builds by package name."""
        path = self.folder / _RECORDS
        if not path.is_file():
            return {}
        try:
            return {name: Record(**values) for name, values in json.loads(path.read_text(encoding="utf-8")).items()}
        except (ValueError, TypeError, AttributeError):
            # Written by another version of this tool, or cut off: everything is then built or taken from the cache.
            return {}

    def cached(self, name: str, key: str) -> Path:
        """The folder of the build with this key, whether it is there or not."""
        return self.folder / "cache" / f"{name}-{key[:16]}"

    def deb(self, record: Record) -> Path:
        """Where the deb lies."""
        cached = self.cached(record.name, record.key) / record.file
        return cached if cached.is_file() else self.folder / record.file

    def kept(self, name: str, key: str) -> Record | None:
        """The record of an earlier build with this key that is still whole."""
        folder = self.cached(name, key)
        try:
            record = Record(**json.loads((folder / "record.json").read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None
        deb = folder / record.file
        return record if record.key == key and deb.is_file() and sha256_of(deb) == record.sha256 else None

    def keep(self, record: Record, built: Sequence[Path]) -> None:
        """Put a build into the cache in one rename, and let the oldest of this package go."""
        target = self.cached(record.name, record.key)
        scratch = target.with_name(f".{target.name}")
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True)
        for path in built:
            shutil.move(path, scratch / path.name)
        (scratch / "record.json").write_text(json.dumps(asdict(record)), encoding="utf-8")
        shutil.rmtree(target, ignore_errors=True)
        scratch.rename(target)
        older = sorted(target.parent.glob(f"{record.name}-*/record.json"), key=lambda path: path.stat().st_mtime)
        mine = [path for path in older if json.loads(path.read_text(encoding="utf-8"))["name"] == record.name]
        for path in mine[:-_KEPT_BUILDS]:
            shutil.rmtree(path.parent)

    def place(self, record: Record) -> None:
        """Put the deb, its buildinfo and its bill of materials from the cache into the folder, each whole or not at all."""
        for path in self.cached(record.name, record.key).iterdir():
            if path.suffix in _PLACED and path.name != "record.json":
                scratch = self.folder / f".{path.name}"
                shutil.copyfile(path, scratch)
                scratch.replace(self.folder / path.name)

    def write(self, before: Mapping[str, Record], now: Sequence[Record], defined: Collection[str]) -> None:
        """Write the records; debs of other versions and of packages that are not `defined` any more go from the folder."""
        after = {**before, **{record.name: record for record in now}}
        after = {name: record for name, record in after.items() if name in defined}
        current = {record.file for record in after.values()}
        for record in before.values():
            if record.file not in current:
                for path in self.folder.glob(f"{record.name}_{record.version}_*"):
                    path.unlink()
        content = [asdict(record) for _name, record in sorted(after.items())]
        self._write(_RECORDS, {record["name"]: record for record in content})
        self._write(LIST, [{key: record[key] for key in ("name", "version", "architecture", "file", "sha256")} for record in content])

    def _write(self, name: str, content: object) -> None:
        """Write a JSON file whole or not at all, and not when it says the same already."""
        text = json.dumps(content, indent=2) + "\n"
        path, scratch = self.folder / name, self.folder / f".{name}.new"
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            scratch.write_text(text, encoding="utf-8")
            scratch.replace(path)

    @contextmanager
    def one_at_a_time(self) -> Iterator[None]:
        """Wait until no other run uses the folder, and keep others out meanwhile."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / ".lock").open("w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
