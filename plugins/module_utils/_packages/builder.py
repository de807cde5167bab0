"""The builder image and one build in it."""

from __future__ import annotations

import email.utils
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .definition import Package
from .errors import PackageError
from .runner import Runner
from .tree import digest_of, file_digests, write_tar

LABEL = "twine.tool=builder"


@dataclass(frozen=True)
class Builder:
    """The image in which packages are built, named by what it is made of."""

    run: Runner
    folder: Path
    base_image: str
    labels: tuple[str, ...] = ()
    repository: str = "twine/builder"

    def tag(self, build_depends: Iterable[str]) -> str:
        """The image's name: the digest of the base image's id, the Dockerfile's folder and the build dependencies."""
        made_of = [f"{name} {digest}" for name, digest in sorted(file_digests(self.folder).items())]
        digest = digest_of(self._id(self.base_image), *made_of, " ".join(sorted(build_depends)))
        return f"{self.repository}:{digest[:12]}"

    def make(self, build_depends: Iterable[str], log: Path) -> str:
        """Build the image unless it is there; returns its name."""
        wanted = sorted(build_depends)
        tag = self.tag(wanted)
        if self.run(["docker", "image", "inspect", tag]).code == 0:
            return tag
        context = log.with_suffix(".tar")
        write_tar(context, self.folder, 0, {})
        result = self.run(
            [
                "docker",
                "build",
                f"--tag={tag}",
                f"--label={LABEL}",
                f"--build-arg=BASE_IMAGE={self.base_image}",
                f"--build-arg=BUILD_DEPENDS={' '.join(wanted)}",
                "-",
            ],
            source=context,
            sink=log,
            seconds=1200,
        )
        context.unlink()
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
                image,
            ],
            source=staged,
            sink=built,
            log=log,
            seconds=1800,
        )
        if result.code:
            raise PackageError(f"build {package.name}", f"its build says:\n{result.tail()}", f"Read {log}, mend {package.folder}")
        with tarfile.open(built) as tar:
            tar.extractall(work / "built", filter="data")
        return sorted((work / "built").iterdir())

    def _id(self, image: str) -> str:
        result = self.run(["docker", "image", "inspect", "--format={{.Id}}", image])
        if result.code:
            raise PackageError(
                f"find the image {image}",
                result.tail(1) or "docker does not know it",
                "Run 'make setup': it starts Docker and makes the base image",
            )
        return result.out.strip()


def changelog_epoch(changelog: str) -> int:
    """The time of the changelog's top entry, in seconds since 1970: the one date that a reproducible build knows."""
    for line in changelog.splitlines():
        if line.startswith(" -- "):
            stamp = email.utils.parsedate_to_datetime(line.rpartition("  ")[2])
            return int(stamp.timestamp())
    raise PackageError("read debian/changelog", "no entry is signed with ' -- name <mail>  date'", "Sign the top entry")
