"""Sources from outside: fetched by their registry's own way, digest-checked, kept by digest."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import urllib.error
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible.module_utils.urls import ConnectionError as AnsibleConnectionError
from ansible.module_utils.urls import open_url

from .definition import ArchiveSource, DebianSource, GeneratedSource, MavenSource, Package, PypiSource, Source
from .errors import PackageError
from .runner import Runner
from .tree import sha256_of

_PYPI = "https://pypi.org/simple"
_DEBIAN = "http://deb.debian.org/debian"


@dataclass(frozen=True)
class Sources:
    """Where sources come from and lie: the checkout, the cache of fetched files, what starts the clients, and an image with apt."""

    checkout: Path
    cache: Path
    run: Runner
    apt_image: str = ""
    labels: tuple[str, ...] = ()

    def digests(self, package: Package) -> dict[str, str]:
        """File name or coordinates → SHA-256, without fetching anything."""
        source = package.source
        if isinstance(source, GeneratedSource):
            return {source.file: sha256_of(self._generated(package.name, source))}
        if isinstance(source, MavenSource | PypiSource | DebianSource | ArchiveSource):
            return {coordinates(source): source.sha256}
        return {}

    def files(self, package: Package) -> list[Path]:
        """The package's source files, fetched where the cache lacks them; the first is the one whose digest is pinned."""
        source = package.source
        if isinstance(source, GeneratedSource):
            return [self._generated(package.name, source)]
        if isinstance(source, MavenSource):
            return self._cached(package, source.sha256, lambda into: self._maven(source, into))
        if isinstance(source, PypiSource):
            return self._cached(package, source.sha256, lambda into: self._pypi(source, into))
        if isinstance(source, DebianSource):
            return self._cached(package, source.sha256, lambda into: self._apt(source, into))
        if isinstance(source, ArchiveSource):
            return self._cached(package, source.sha256, lambda into: self._download(source.url, source.sha256, into))
        return []

    def _generated(self, name: str, source: GeneratedSource) -> Path:
        path = self.checkout / source.file
        if not path.is_file():
            raise PackageError(f"build {name}", f"{source.file} is not there yet", "Run playbooks/repository.yml first: it fetches it")
        return path

    def _cached(self, package: Package, sha256: str, fetch: Callable[[Path], None]) -> list[Path]:
        """The files in the cache's folder for `sha256`, that one first; `fetch` puts them into an empty folder."""
        kept = self.cache / sha256
        found = _pinned_first(kept, sha256)
        if found:
            return found
        self.cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.cache, prefix=".fetch-") as scratch:
            fetch(Path(scratch))
            if not _pinned_first(Path(scratch), sha256):
                came = ", ".join(f"{path.name} with SHA-256 {sha256_of(path)}" for path in sorted(Path(scratch).iterdir()))
                raise PackageError(
                    f"fetch {coordinates(package.source)} for {package.name}",
                    f"{came or 'nothing'} came, and {package.folder / 'package.yml'} says {sha256} in source.sha256",
                    "Find out why it differs before you change the definition",
                )
            shutil.rmtree(kept, ignore_errors=True)
            Path(scratch).rename(kept)
        kept.chmod(0o755)
        return _pinned_first(kept, sha256)

    def _by_hand(self, sha256: str) -> str:
        return f"See whether it answers, or put the file into {self.cache / sha256}/ by hand"

    def _maven(self, source: MavenSource, into: Path) -> None:
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
            raise PackageError(f"fetch {source.coordinates}", f"Maven says:\n{result.tail()}", self._by_hand(source.sha256))

    def _pypi(self, source: PypiSource, into: Path) -> None:
        """By the index's own interface: pip would run the project's code here, outside the clean room, to ask for its requirements.

        https://packaging.python.org/en/latest/specifications/simple-repository-api/
        """
        what = coordinates(source)
        page = f"{self._index()}/{source.project}/"
        try:
            answer = open_url(page, timeout=60, headers={"Accept": "application/vnd.pypi.simple.v1+json"})
            files: list[Mapping[str, Any]] = json.load(answer)["files"]
        except (AnsibleConnectionError, urllib.error.URLError, TimeoutError, ValueError, KeyError) as error:
            raise PackageError(f"fetch {what}", f"{page} gives no list of files: {error}", self._by_hand(source.sha256)) from None
        file = next((file for file in files if file["filename"] in _distributions(source)), None)
        if file is None:
            raise PackageError(
                f"fetch {what}",
                f"{page} has no source distribution of this version",
                "Mend source.version, or take another kind of source",
            )
        self._download(urllib.parse.urljoin(page, file["url"]), source.sha256, into)

    def _index(self) -> str:
        """The package index that the user's pip asks."""
        told = os.environ.get("PIP_INDEX_URL") or self.run([sys.executable, "-m", "pip", "config", "get", "global.index-url"]).out
        return (told.strip() or _PYPI).rstrip("/")

    def _apt(self, source: DebianSource, into: Path) -> None:
        """By apt in a throw-away container, whatever the system here: it checks the archive's signature on the way."""
        what = coordinates(source)
        script = (
            'exec 3>&1 1>&2; cd "$(mktemp -d)"; rm -f /etc/apt/sources.list.d/*; echo "deb-src $1 $2 main" > /etc/apt/sources.list; '
            'apt-get --quiet update; apt-get --quiet --download-only --only-source source "$3"; tar --create -- * >&3'
        )
        archive = into.with_name(f"{into.name}.tar")
        container = ["docker", "run", "--rm", *[f"--label={label}" for label in self.labels], self.apt_image]
        shell = ["sh", "-euc", script, "sh", _DEBIAN, source.suite, f"{source.package}={source.version}"]
        result = self.run([*container, *shell], sink=archive)
        if result.code:
            archive.unlink(missing_ok=True)
            raise PackageError(f"fetch {what}", f"apt says:\n{result.tail()}", self._by_hand(source.sha256))
        shutil.unpack_archive(archive, into, "tar", filter="data")
        archive.unlink()

    def _download(self, url: str, sha256: str, into: Path) -> None:
        target = into / url.partition("#")[0].rsplit("/", 1)[-1]
        try:
            with open_url(url, timeout=60) as answer, target.open("wb") as file:
                shutil.copyfileobj(answer, file)
        except (AnsibleConnectionError, urllib.error.URLError, TimeoutError, ValueError) as error:
            raise PackageError(f"fetch {url}", str(error), self._by_hand(sha256)) from None


def coordinates(source: Source) -> str:
    """What people call a source: address, coordinates, or name and version."""
    if isinstance(source, MavenSource):
        return source.coordinates
    if isinstance(source, PypiSource):
        return f"{source.project} {source.version}"
    if isinstance(source, DebianSource):
        return f"{source.package} {source.version}"
    if isinstance(source, ArchiveSource):
        return source.url
    return source.file if isinstance(source, GeneratedSource) else source.path


def _distributions(source: PypiSource) -> tuple[str, str]:
    """How the file of a source distribution is named: since PEP 625 with underscores, before as the project."""
    return f"{source.project.replace('-', '_')}-{source.version}.tar.gz", f"{source.project}-{source.version}.tar.gz"


def _pinned_first(folder: Path, sha256: str) -> list[Path]:
    """The files of `folder`, the one of this digest first; nothing when it is not among them."""
    files = sorted(folder.glob("*"))
    pinned = [path for path in files if sha256_of(path) == sha256]
    return [*pinned, *[path for path in files if path not in pinned]] if pinned else []
