"""Which packages are to be built and why, and their builds side by side."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from . import deb as debs
from .builder import Builder, changelog_epoch
from .definition import Package
from .errors import PackageError
from .sbom import bill_of_materials
from .shelf import Record, Shelf
from .smoke import SmokeTests
from .sources import Sources
from .tree import digest_of, file_digests, sha256_of
from .versions import with_version

# Part of every key: raise it when this tool builds otherwise from the same inputs.
BUILD_FORMAT = "2"

Item = TypeVar("Item")
Done = TypeVar("Done")


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

    package: Package
    record: Record
    reason: str
    how: str  # unchanged, cached or built


@dataclass(frozen=True)
class Workshop:
    """Everything that builds share: the builder, the sources, the shelf of results, the distribution's mark, the smoke tests."""

    builder: Builder
    sources: Sources
    shelf: Shelf
    distribution: str
    smoke: SmokeTests | None = None

    def plan(self, packages: Sequence[Package], versions: Mapping[str, str]) -> list[Step]:
        """Compare each package's inputs with those of its last build. Writes nothing."""
        records = self.shelf.records()
        return [self._step(package, versions.get(package.name), records.get(package.name)) for package in packages]

    def carry_out(self, steps: Sequence[Step], defined: Collection[str], say: Callable[[str], None]) -> list[Outcome]:
        """Build what needs it, longest first, as many at once as there are processors; then try out what was not yet.

        Only what passed goes into the output folder. Debs of packages that are not `defined` any more go from it.

        One package's failure lets the others end; then the failures are raised together.
        """
        with self.shelf.one_at_a_time():
            records = self.shelf.records()
            images = self._images([step for step in steps if step.reason and not self.shelf.kept(step.package.name, step.key)])
            in_order = sorted(steps, key=lambda step: -_usual_seconds(step, records))
            built, failures = _side_by_side(in_order, lambda step: self._do(step, records, images, say))
            known = {**records, **{outcome.record.name: outcome.record for outcome in built}}
            passed, refused = _side_by_side(built, lambda outcome: self._try_out(outcome, known, say))
            for outcome in passed:
                if outcome.how != "unchanged":
                    self.shelf.place(outcome.record)
            self.shelf.write(records, [outcome.record for outcome in passed], defined)
        if failures or refused:
            what = f"build {len(failures) + len(refused)} of {len(steps)} packages"
            raise PackageError(what, "\n".join([*failures, *refused]), "Then run it again")
        place = {step.package.name: number for number, step in enumerate(steps)}
        return sorted(passed, key=lambda outcome: place[outcome.record.name])

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
        deb = self.shelf.folder / record.file
        if not deb.is_file():
            return f"{record.file} is gone"
        return "" if sha256_of(deb) == record.sha256 else f"{record.file} is not the file that was built"

    def _images(self, steps: Sequence[Step]) -> dict[tuple[str, ...], str]:
        work = self.shelf.folder / "work"
        if steps:
            work.mkdir(parents=True, exist_ok=True)
        wanted = sorted({step.package.build_depends for step in steps})
        return {names: self.builder.make(names, work / f"builder-image-{number}.log") for number, names in enumerate(wanted, 1)}

    def _do(
        self,
        step: Step,
        records: Mapping[str, Record],
        images: Mapping[tuple[str, ...], str],
        say: Callable[[str], None],
    ) -> Outcome:
        name = step.package.name
        if not step.reason:
            return Outcome(step.package, records[name], "", "unchanged")
        kept = self.shelf.kept(name, step.key)
        if kept:
            say(f"{name} {step.version}: {step.reason}; built before with the same inputs")
            return Outcome(step.package, kept, step.reason, "cached")
        say(f"{name} {step.version}: building, because {step.reason}")
        record = self._build(step, images[step.package.build_depends])
        say(f"{name} {step.version}: built in {record.seconds:.0f} s")
        return Outcome(step.package, record, step.reason, "built")

    def _try_out(self, outcome: Outcome, known: Mapping[str, Record], say: Callable[[str], None]) -> Outcome:
        record = outcome.record
        passed = self.smoke.passed(outcome.package, record, known) if self.smoke else record
        if passed == record:
            return outcome
        say(f"{record.name} {record.version}: installed on a clean machine, smoke test passed")
        return Outcome(outcome.package, passed, outcome.reason, outcome.how)

    def _build(self, step: Step, image: str) -> Record:
        began = time.monotonic()
        package = step.package
        files = self.sources.files(package)
        work = self.shelf.folder / "work" / package.name
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        where = package.folder / "debian" / "changelog"
        changelog = with_version(where.read_text(encoding="utf-8"), step.version, str(where))
        built = self.builder.build(package, image, changelog, files, work)
        deb = _one_deb(package, built)
        bill = bill_of_materials(package, deb, self.sources.digests(package), changelog_epoch(changelog), self.distribution)
        listed = deb.with_suffix(".cdx.json")
        listed.write_text(json.dumps(bill, indent=2) + "\n", encoding="utf-8")
        fields = debs.control_fields(deb)
        record = Record(
            name=package.name,
            version=step.version,
            architecture=fields["Architecture"],
            file=deb.name,
            sha256=sha256_of(deb),
            key=step.key,
            seconds=round(time.monotonic() - began, 1),
            depends=debs.relations(fields),
            inputs=step.inputs,
        )
        self.shelf.keep(record, [*built, listed])
        shutil.rmtree(work)
        return record


def _side_by_side(items: Sequence[Item], work: Callable[[Item], Done]) -> tuple[list[Done], list[str]]:
    """What came of each item, in order, and the messages of those that failed."""
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        running = [pool.submit(work, item) for item in items]
    done: list[Done] = []
    failures: list[str] = []
    for one in running:
        error = one.exception()
        if isinstance(error, PackageError):
            failures.append(str(error))
        else:
            done.append(one.result())
    return done, failures


def _one_deb(package: Package, built: Sequence[Path]) -> Path:
    found = [path for path in built if path.suffix == ".deb"]
    if len(found) != 1 or not found[0].name.startswith(f"{package.name}_"):
        raise PackageError(
            f"build {package.name}",
            f"{', '.join(path.name for path in found) or 'no deb'} came out instead of one {package.name}_*.deb",
            f"Let {package.folder / 'debian' / 'control'} describe that one binary package",
        )
    return found[0]


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
