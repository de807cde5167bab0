"""The smoke test of a package: installed on a clean machine, beside the packages of ours that it needs, its commands must succeed."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from .builder import BaseImage, make_image
from .control import clauses, names_in
from .definition import DEFINITION, Package
from .errors import PackageError
from .runner import Runner
from .shelf import Record, Shelf
from .tree import digest_of, file_digests, write_tar


@dataclass(frozen=True)
class SmokeTests:
    """What smoke tests share: the folder that describes their machine, its base, and where packages lie."""

    run: Runner
    folder: Path
    base: BaseImage
    shelf: Shelf
    labels: tuple[str, ...] = ()
    repository: str = "twine/smoke-test"

    def passed(self, package: Package, record: Record, known: Mapping[str, Record]) -> Record:
        """Run the test unless it passed with these very packages; returns the record that says so.

        `known` are the records of all packages of ours, from which those that this one needs are taken.
        """
        together = installed_together(record, known)
        needs = needs_of_others(together)
        image = self._tag(needs)
        key = digest_of(image, *sorted(one.sha256 for one in together), *package.smoke_test)
        if key == record.passed:
            return record
        work = self.shelf.folder / "work" / f"{package.name}-smoke-test"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        self._make(package, image, needs, work)
        self._try_out(package, image, together, work)
        shutil.rmtree(work)
        return dataclasses.replace(record, passed=key)

    def _tag(self, needs: str) -> str:
        made_of = [f"{name} {digest}" for name, digest in sorted(file_digests(self.folder).items())]
        return f"{self.repository}:{digest_of(self.base.id, *made_of, needs)[:12]}"

    def _make(self, package: Package, image: str, needs: str, work: Path) -> None:
        result = make_image(self.run, image, self.folder, {"BASE_IMAGE": self.base.name, "NEEDS": needs}, work / "image.log")
        if result.code:
            raise PackageError(
                f"prepare the smoke test of {package.name}",
                f"docker build says:\n{result.tail(6)}",
                f"Read {work / 'image.log'}; what it needs of ours must be built first, what it needs of the distribution must exist there",
            )

    def _try_out(self, package: Package, image: str, together: Iterable[Record], work: Path) -> None:
        staged, nothing = work / "staged.tar", work / "nothing"
        debs = {one.file: self.shelf.deb(one) for one in together}
        write_tar(staged, nothing, 0, {**debs, "commands": "".join(f"{command}\n" for command in package.smoke_test)})
        labels = [f"--label={label}" for label in self.labels]
        result = self.run(["docker", "run", "--rm", "--interactive", "--network=none", *labels, image], source=staged, seconds=300)
        if result.code:
            raise PackageError(
                f"accept {package.name}",
                f"its smoke test says:\n{result.tail()}",
                f"Mend the package, or smoke_test in {package.folder / DEFINITION}",
            )


def installed_together(record: Record, known: Mapping[str, Record]) -> list[Record]:
    """The package and those of ours that it needs, directly or not."""
    found = {record.name: record}
    waiting = [record]
    while waiting:
        for name in sorted((names_in(waiting.pop().depends) & known.keys()) - found.keys()):
            found[name] = known[name]
            waiting.append(known[name])
    return list(found.values())


def needs_of_others(records: Iterable[Record]) -> str:
    """What these packages depend on beside each other, as one relation field."""
    records = list(records)
    ours = {record.name for record in records}
    wanted = {clause for record in records for clause in clauses(record.depends) if not names_in(clause) & ours}
    return ", ".join(sorted(wanted))
