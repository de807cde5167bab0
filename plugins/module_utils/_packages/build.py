"""Which packages are to be built and why, and their builds side by side."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .builder import Builder
from .definition import Package
from .errors import PackageError
from .sources import Sources
from .tree import digest_of, file_digests, sha256_of
from .versions import with_version

# Part of every key: raise it when this tool builds otherwise from the same inputs.
BUILD_FORMAT = "1"
RECORDS = ".records.json"
# What others read: name, version, architecture, file and SHA-256 of each deb that is in the folder.
LIST = "packages.json"
_KEPT_BUILDS = 4


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
    inputs: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Step:
    """One package in this run: what would be built, and the reason (none: nothing to do)."""

    package: Package
    version: str
    inputs: dict[str, str]
    reason: str

    @property
    def key(self) -> str:
        return digest_of(*[f"{name}={digest}" for name, digest in sorted(self.inputs.items())])


@dataclass(frozen=True)
class Outcome:
    """One package after this run."""

    record: Record
    reason: str
    how: str  # unchanged, cached or built


@dataclass(frozen=True)
class Workshop:
    """Everything that builds share: the builder, the sources, the folder of results, the distribution's mark."""

    builder: Builder
    sources: Sources
    output: Path
    distribution: str

    def plan(self, packages: Sequence[Package], versions: Mapping[str, str]) -> list[Step]:
        """Compare each package's inputs with those of its last build. Writes nothing."""
        records = self.records()
        return [self._step(package, versions.get(package.name), records.get(package.name)) for package in packages]

    def carry_out(self, steps: Sequence[Step], defined: Collection[str], say: Callable[[str], None]) -> list[Outcome]:
        """Build what needs it, longest first, as many at once as there are processors.

        Debs of packages that are not `defined` any more go from the output folder.

        One package's failure lets the others end; then the failures are raised together.
        """
        with self._one_at_a_time():
            records = self.records()
            images = self._images([step for step in steps if step.reason and not self._kept(step)])
            usual = {step.package.name: _usual_seconds(step, records) for step in steps}
            in_order = sorted(steps, key=lambda step: -usual[step.package.name])
            with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
                running = {step.package.name: pool.submit(self._do, step, records, images, say) for step in in_order}
            outcomes, failures = [], []
            for step in steps:
                error = running[step.package.name].exception()
                if isinstance(error, PackageError):
                    failures.append(str(error))
                else:
                    outcomes.append(running[step.package.name].result())
            self._write_records(records, outcomes, defined)
        if failures:
            raise PackageError(f"build {len(failures)} of {len(steps)} packages", "\n".join(failures), "Then run it again")
        return outcomes

    def records(self) -> dict[str, Record]:
        """The last builds by package name."""
        path = self.output / RECORDS
        if not path.is_file():
            return {}
        try:
            return {name: Record(**values) for name, values in json.loads(path.read_text(encoding="utf-8")).items()}
        except (ValueError, TypeError, AttributeError):
            # Written by another version of this tool, or cut off: everything is then built or taken from the cache.
            return {}

    def _step(self, package: Package, version: str | None, record: Record | None) -> Step:
        full = package.deb_version(self.distribution, version)
        inputs = {
            "version": full,
            "builder image": self.builder.tag(package.build_depends),
            "build format": BUILD_FORMAT,
            **{f"source {name}": digest for name, digest in self.sources.digests(package).items()},
            **{f"file {name}": digest for name, digest in file_digests(package.folder).items()},
        }
        return Step(package, full, inputs, self._reason(inputs, record))

    def _reason(self, inputs: Mapping[str, str], record: Record | None) -> str:
        if record is None:
            return "never built here"
        moved = explain(record.inputs, inputs)
        if moved:
            return moved
        deb = self.output / record.file
        if not deb.is_file():
            return f"{record.file} is gone"
        return "" if sha256_of(deb) == record.sha256 else f"{record.file} is not the file that was built"

    def _images(self, steps: Sequence[Step]) -> dict[tuple[str, ...], str]:
        if steps:
            (self.output / "work").mkdir(parents=True, exist_ok=True)
        wanted = {step.package.build_depends for step in steps}
        log = self.output / "work" / "builder-image.log"
        return {build_depends: self.builder.make(build_depends, log) for build_depends in sorted(wanted)}

    def _do(
        self,
        step: Step,
        records: Mapping[str, Record],
        images: Mapping[tuple[str, ...], str],
        say: Callable[[str], None],
    ) -> Outcome:
        name = step.package.name
        if not step.reason:
            return Outcome(records[name], "", "unchanged")
        kept = self._kept(step)
        if kept:
            say(f"{name} {step.version}: {step.reason}; built before with the same inputs")
            return Outcome(self._place(kept), step.reason, "cached")
        say(f"{name} {step.version}: building, because {step.reason}")
        record = self._build(step, images[step.package.build_depends])
        say(f"{name} {step.version}: built in {record.seconds:.0f} s")
        return Outcome(record, step.reason, "built")

    def _build(self, step: Step, image: str) -> Record:
        began = time.monotonic()
        package = step.package
        files = self.sources.files(package)
        work = self.output / "work" / package.name
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        where = package.folder / "debian" / "changelog"
        changelog = with_version(where.read_text(encoding="utf-8"), step.version, str(where))
        built = self.builder.build(package, image, changelog, files, work)
        deb = self._one_deb(package, built)
        record = Record(
            name=package.name,
            version=step.version,
            architecture=deb.stem.rsplit("_", 1)[-1],
            file=deb.name,
            sha256=sha256_of(deb),
            key=step.key,
            seconds=round(time.monotonic() - began, 1),
            inputs=step.inputs,
        )
        self._keep(record, built)
        shutil.rmtree(work)
        return self._place(record)

    def _one_deb(self, package: Package, built: Sequence[Path]) -> Path:
        debs = [path for path in built if path.suffix == ".deb" and path.name.startswith(f"{package.name}_")]
        if len(debs) != 1:
            raise PackageError(
                f"build {package.name}",
                f"{len(debs)} files named {package.name}_*.deb came out",
                "Let debian/control describe that one binary package",
            )
        return debs[0]

    def _cache(self, name: str, key: str) -> Path:
        return self.output / "cache" / f"{name}-{key[:16]}"

    def _keep(self, record: Record, built: Sequence[Path]) -> None:
        """Put a build into the cache in one rename, and let the oldest of this package go."""
        target = self._cache(record.name, record.key)
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

    def _kept(self, step: Step) -> Record | None:
        folder = self._cache(step.package.name, step.key)
        path = folder / "record.json"
        if not path.is_file():
            return None
        record = Record(**json.loads(path.read_text(encoding="utf-8")))
        deb = folder / record.file
        return record if record.key == step.key and deb.is_file() and sha256_of(deb) == record.sha256 else None

    def _place(self, record: Record) -> Record:
        """Put the deb and its buildinfo into the output folder, whole or not at all."""
        kept = self._cache(record.name, record.key)
        for path in kept.iterdir():
            if path.suffix in (".deb", ".buildinfo"):
                scratch = self.output / f".{path.name}"
                shutil.copyfile(path, scratch)
                scratch.replace(self.output / path.name)
        return record

    def _write_records(self, records: Mapping[str, Record], outcomes: Sequence[Outcome], defined: Collection[str]) -> None:
        after = {**records, **{outcome.record.name: outcome.record for outcome in outcomes}}
        after = {name: record for name, record in after.items() if name in defined}
        current = {record.file for record in after.values()}
        for record in records.values():
            if record.file not in current:
                for path in self.output.glob(f"{record.name}_{record.version}_*"):
                    path.unlink()
        content = [asdict(record) for _name, record in sorted(after.items())]
        self._write(RECORDS, {record["name"]: record for record in content})
        self._write(LIST, [{key: record[key] for key in ("name", "version", "architecture", "file", "sha256")} for record in content])

    def _write(self, name: str, content: object) -> None:
        """Write a JSON file whole or not at all, and not when it says the same already."""
        text = json.dumps(content, indent=2) + "\n"
        path, scratch = self.output / name, self.output / f".{name}.new"
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            scratch.write_text(text, encoding="utf-8")
            scratch.replace(path)

    @contextmanager
    def _one_at_a_time(self) -> Iterator[None]:
        self.output.mkdir(parents=True, exist_ok=True)
        with (self.output / ".lock").open("w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def explain(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """Which inputs moved, for people: at most four named, versions and images from what to what."""
    moved = []
    for name in sorted({*before, *after}, key=lambda name: (name.startswith("file "), name)):
        short = name.removeprefix("file ")
        if name not in before:
            moved.append(f"{short} is new")
        elif name not in after:
            moved.append(f"{short} is gone")
        elif before[name] != after[name]:
            change = "changed" if name.startswith(("file ", "source ")) else f"{before[name]} → {after[name]}"
            moved.append(f"{short} {change}")
    more = f" and {len(moved) - 4} more" if len(moved) > 4 else ""
    return ", ".join(moved[:4]) + more


def _usual_seconds(step: Step, records: Mapping[str, Record]) -> float:
    """How long its last build took; a package never built goes first."""
    record = records.get(step.package.name)
    return record.seconds if record else float("inf")


def describe(outcome: Outcome) -> dict[str, Any]:
    """What a module returns of one package."""
    record = outcome.record
    return {
        "name": record.name,
        "version": record.version,
        "architecture": record.architecture,
        "file": record.file,
        "sha256": record.sha256,
        "how": outcome.how,
        "reason": outcome.reason,
        "seconds": record.seconds if outcome.how == "built" else 0.0,
    }
