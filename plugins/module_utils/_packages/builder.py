"""The builder image and one build in it."""

from __future__ import annotations

import email.utils
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from .definition import DebianSource, Package, PypiSource
from .errors import PackageError
from .runner import Result, Runner
from .tree import digest_of, file_digests, write_tar

LABEL = "twine.tool=builder"
SURROUNDINGS = "surroundings"
# With which packages/builder/build-package ends when the package was built and lintian refused it.
_LINTIAN_REFUSED = 3


@dataclass(frozen=True)
class Surroundings:
    """Where a build takes place, as far as it must not matter. What is empty is the builder image's own."""

    path: str = ""
    zone: str = ""
    locale: str = ""
    umask: str = ""
    host: str = ""
    clock: str = ""  # how much the clock is wrong: +400d

    def options(self) -> list[str]:
        """The options of `docker run` that make them so."""
        told = {"BUILD_PATH": self.path, "TZ": self.zone, "LC_ALL": self.locale, "BUILD_UMASK": self.umask, "BUILD_CLOCK": self.clock}
        environment = [f"--env={name}={value}" for name, value in told.items() if value]
        return [*environment, *([f"--hostname={self.host}"] if self.host else [])]


@dataclass(frozen=True)
class BaseImage:
    """The image of which all others are made."""

    run: Runner
    name: str

    @cached_property
    def id(self) -> str:
        """Its id; the image must be there."""
        result = self.run(["docker", "image", "inspect", "--format={{.Id}}", self.name])
        if result.code:
            raise PackageError(
                f"find the image {self.name}",
                result.tail(1) or "docker does not know it",
                "Run 'make setup': it starts Docker and makes the base image",
            )
        return result.out.strip()


@dataclass(frozen=True)
class Builder:
    """The image in which packages are built, named by what it is made of."""

    run: Runner
    folder: Path
    base: BaseImage
    labels: tuple[str, ...] = ()
    repository: str = "twine/builder"
    surroundings: Surroundings = Surroundings()
    lintian: bool = True

    def tag(self, build_depends: Iterable[str]) -> str:
        """The image's name: the digest of the base image's id, the Dockerfile's folder and the build dependencies."""
        made_of = [f"{name} {digest}" for name, digest in sorted(file_digests(self.folder).items())]
        digest = digest_of(self.base.id, *made_of, " ".join(sorted(build_depends)))
        return f"{self.repository}:{digest[:12]}"

    def make(self, build_depends: Iterable[str], log: Path) -> str:
        """Build the image unless it is there; returns its name."""
        wanted = sorted(build_depends)
        tag = self.tag(wanted)
        result = make_image(self.run, tag, self.folder, {"BASE_IMAGE": self.base.name, "BUILD_DEPENDS": " ".join(wanted)}, log)
        if result.code:
            raise PackageError(
                f"make the builder image {tag}",
                f"docker build says:\n{result.tail(4)}",
                f"Read {log}; see whether containers reach Debian's archive and build_depends names exist there",
            )
        return tag

    def build(self, package: Package, image: str, changelog: str, sources: Iterable[Path], work: Path) -> list[Path]:
        """Build `package` in a throw-away container without a network; returns the files that came out of it.

        `work` is an empty folder for this build alone; its `log` stays when the build fails.
        """
        staged, built, log = work / "source.tar", work / "built.tar", work / "log"
        extra: dict[str, Path | str] = {f"sources/{path.name}": path for path in sources}
        epoch = changelog_epoch(changelog)
        unpacked = next(iter(extra)).removeprefix("sources/") if isinstance(package.source, PypiSource | DebianSource) else ""
        write_tar(staged, package.folder, epoch, {**extra, "debian/changelog": changelog})
        result = self.run(
            [
                "docker",
                "run",
                "--rm",
                "--interactive",
                "--network=none",
                *[f"--label={label}" for label in self.labels],
                f"--env=SOURCE_DATE_EPOCH={epoch}",
                f"--env=UNPACK={unpacked}",
                f"--env=LINTIAN={'yes' if self.lintian else 'no'}",
                *self.surroundings.options(),
                image,
            ],
            source=staged,
            sink=built,
            log=log,
            seconds=1800,
        )
        if result.code == _LINTIAN_REFUSED:
            refused = "\n".join(line for line in result.err.splitlines() if line.startswith("E: "))
            raise PackageError(
                f"accept {package.name}",
                f"lintian says:\n{refused or result.tail()}",
                f"Mend {package.folder / 'debian'}, or say in {package.name}.lintian-overrides there why lintian is wrong",
            )
        if result.code:
            raise PackageError(f"build {package.name}", f"its build says:\n{result.tail()}", f"Read {log}, mend {package.folder}")
        with tarfile.open(built) as tar:
            tar.extractall(work / "built", filter="data")
        return sorted((work / "built").iterdir())


def make_image(run: Runner, tag: str, folder: Path, arguments: Mapping[str, str], log: Path) -> Result:
    """Build the image of the Dockerfile in `folder`, unless there is one of this name already."""
    found = run(["docker", "image", "inspect", "--format={{.Id}}", tag])
    if found.code == 0:
        return found
    context = log.with_suffix(".tar")
    write_tar(context, folder, 0, {})
    told = [f"--build-arg={name}={value}" for name, value in arguments.items()]
    result = run(["docker", "build", "--force-rm", f"--tag={tag}", f"--label={LABEL}", *told, "-"], source=context, sink=log, seconds=1200)
    context.unlink()
    # What apt says goes where docker's own words go: into the log.
    return Result(result.code, log.read_text(encoding="utf-8", errors="replace") if result.code else "", result.err)


def changelog_epoch(changelog: str) -> int:
    """The time of the changelog's top entry, in seconds since 1970: the one date that a reproducible build knows."""
    for line in changelog.splitlines():
        if line.startswith(" -- "):
            stamp = email.utils.parsedate_to_datetime(line.rpartition("  ")[2])
            return int(stamp.timestamp())
    raise PackageError("read debian/changelog", "no entry is signed with ' -- name <mail>  date'", "Sign the top entry")
