"""Sources from outside: fetched by their registry's ordinary client, digest-checked, kept by digest."""

from __future__ import annotations

import shutil
import sys
import tempfile
import urllib.error
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ansible.module_utils.urls import ConnectionError as AnsibleConnectionError
from ansible.module_utils.urls import open_url

from .definition import ArchiveSource, GeneratedSource, MavenSource, Package, PypiSource, Wheel
from .errors import PackageError
from .runner import Runner
from .tree import sha256_of


@dataclass(frozen=True)
class Sources:
    """Where sources come from and lie: the checkout, the cache of fetched files, and what starts the clients."""

    checkout: Path
    cache: Path
    run: Runner

    def digests(self, package: Package) -> dict[str, str]:
        """File name or coordinates → SHA-256, without fetching anything."""
        source = package.source
        if isinstance(source, MavenSource):
            return {source.coordinates: source.sha256}
        if isinstance(source, ArchiveSource):
            return {source.url: source.sha256}
        if isinstance(source, PypiSource):
            return {f"{wheel.name} {wheel.version}": wheel.sha256 for wheel in source.wheels}
        if isinstance(source, GeneratedSource):
            return {source.file: sha256_of(self._generated(package.name, source))}
        return {}

    def files(self, package: Package) -> list[Path]:
        """The package's source files, fetched where the cache lacks them, each proven by its digest."""
        source = package.source
        if isinstance(source, MavenSource):
            return [self._cached(package.name, source.sha256, lambda into: self._maven(source, into))]
        if isinstance(source, ArchiveSource):
            return [self._cached(package.name, source.sha256, lambda into: self._download(source, into))]
        if isinstance(source, PypiSource):
            return [self._wheel(package.name, wheel) for wheel in source.wheels]
        if isinstance(source, GeneratedSource):
            return [self._generated(package.name, source)]
        return []

    def _generated(self, name: str, source: GeneratedSource) -> Path:
        path = self.checkout / source.file
        if not path.is_file():
            raise PackageError(f"build {name}", f"{source.file} is not there yet", "Run playbooks/repository.yml first: it fetches it")
        return path

    def _wheel(self, name: str, wheel: Wheel) -> Path:
        return self._cached(name, wheel.sha256, lambda into: self._pip(wheel, into))

    def _cached(self, name: str, sha256: str, fetch: Callable[[Path], str]) -> Path:
        """The one file in the cache's folder for `sha256`; `fetch` puts it into a folder and returns what it fetched."""
        kept = self.cache / sha256
        found = list(kept.glob("*"))
        if len(found) == 1 and sha256_of(found[0]) == sha256:
            return found[0]
        self.cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.cache, prefix=".fetch-") as scratch:
            what = fetch(Path(scratch))
            fetched = [path for path in Path(scratch).iterdir() if path.is_file()]
            if len(fetched) != 1:
                raise PackageError(f"fetch {what} for {name}", f"{len(fetched)} files came instead of one", "Name one file by coordinates")
            actual = sha256_of(fetched[0])
            if actual != sha256:
                raise PackageError(
                    f"fetch {what} for {name}",
                    f"its SHA-256 is {actual}, the definition says {sha256}",
                    "Find out why it differs before you change the definition",
                )
            shutil.rmtree(kept, ignore_errors=True)
            kept.mkdir()
            return fetched[0].rename(kept / fetched[0].name)

    def _maven(self, source: MavenSource, into: Path) -> str:
        # The settings of the user's Maven say where the artifact comes from: mirror, proxy, credentials.
        result = self.run(
            [
                "mvn",
                "--batch-mode",
                "--quiet",
                "dependency:copy",
                f"-Dartifact={source.coordinates}",
                f"-DoutputDirectory={into}",
                "-Dmdep.useBaseVersion=true",
            ],
        )
        if result.code:
            raise PackageError(
                f"fetch {source.coordinates}",
                f"Maven says:\n{result.tail()}",
                f"See whether its registry answers, or put the file into {self.cache / source.sha256}/ by hand",
            )
        return source.coordinates

    def _pip(self, wheel: Wheel, into: Path) -> str:
        what = f"{wheel.name}=={wheel.version}"
        lock = into / "requirements"
        lock.write_text(f"{what} --hash=sha256:{wheel.sha256}\n", encoding="utf-8")
        result = self.run(
            [
                sys.executable,
                "-m",
                "pip",
                "download",
                "--quiet",
                "--no-deps",
                "--only-binary=:all:",
                "--require-hashes",
                "--no-cache-dir",
                f"--dest={into}",
                f"--requirement={lock}",
            ],
        )
        lock.unlink()
        if result.code:
            raise PackageError(
                f"fetch {what}",
                f"pip says:\n{result.tail()}",
                f"See whether its registry answers and the digest is right, or put the file into {self.cache}/{wheel.sha256}/",
            )
        return what

    def _download(self, source: ArchiveSource, into: Path) -> str:
        target = into / source.url.rsplit("/", 1)[-1]
        try:
            with open_url(source.url, timeout=60) as answer, target.open("wb") as file:
                shutil.copyfileobj(answer, file)
        except (AnsibleConnectionError, urllib.error.URLError, TimeoutError, ValueError) as error:
            raise PackageError(
                f"fetch {source.url}",
                str(error),
                f"See whether the address answers, or put the file into {self.cache / source.sha256}/ by hand",
            ) from None
        return source.url
