"""What a package is: `packages/<name>/package.yml`, read strictly into typed values."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from .control import check_debian_folder
from .errors import PackageError
from .fields import Fields, read_yaml, suggestion
from .versions import deb_version, is_upstream

DEFINITION = "package.yml"
KINDS = ("tree", "maven", "pypi", "debian", "archive", "generated")
ARCHITECTURES = ("all", "any")
_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+")
# https://spdx.github.io/spdx-spec/v3.0.1/annexes/spdx-license-expressions/
_LICENCE = re.compile(r"\(*[A-Za-z0-9.+-]+( (AND|OR|WITH) \(*[A-Za-z0-9.+-]+\)*)*")


@dataclass(frozen=True)
class TreeSource:
    """The package's own folder, or `path` below it."""

    path: str = "."


@dataclass(frozen=True)
class MavenSource:
    """One artifact of a Maven repository."""

    coordinates: str
    sha256: str


@dataclass(frozen=True)
class PypiSource:
    """The source distribution of one project of the Python Package Index, unpacked below the package's own files."""

    project: str
    version: str
    sha256: str


@dataclass(frozen=True)
class DebianSource:
    """A source package of Debian, pinned by its .dsc, which pins the rest; unpacked below the package's own files."""

    package: str
    version: str
    suite: str
    sha256: str


@dataclass(frozen=True)
class ArchiveSource:
    """One file by address."""

    url: str
    sha256: str


@dataclass(frozen=True)
class GeneratedSource:
    """A file that another step makes; `file` is a path from the checkout's root."""

    file: str


Source: TypeAlias = "TreeSource | MavenSource | PypiSource | DebianSource | ArchiveSource | GeneratedSource"


@dataclass(frozen=True)
class Package:
    """One package definition."""

    name: str
    version: str
    revision: int
    summary: str
    licence: str
    architecture: str
    source: Source
    build_depends: tuple[str, ...]
    depends: tuple[str, ...]
    smoke_test: tuple[str, ...]
    folder: Path

    def deb_version(self, distribution: str, version: str | None = None) -> str:
        """The deb's version for `distribution`, of `version` instead of the definition's where given."""
        return deb_version(version or self.version, self.revision, distribution)


def load_package(folder: Path, distribution: str, source: Mapping[str, Any] | None = None) -> Package:
    """Read the definition in `folder`; `source` stands in for the definition's own where given.

    Raises PackageError with file, key and remedy for anything that is not as it must be.
    """
    path = folder / DEFINITION
    fields = Fields(path, read_yaml(path))
    package = Package(
        name=fields.matching("name", _NAME, "a Debian package name", "Use lower-case letters, digits, '+', '-' and '.'"),
        version=fields.text("version"),
        revision=fields.number("revision", 1),
        summary=fields.text("summary"),
        licence=fields.matching("licence", _LICENCE, "an SPDX expression", "Write one such as Apache-2.0 (https://spdx.org/licenses)"),
        architecture=fields.choice("architecture", ARCHITECTURES),
        source=_source(Fields(path, source, "source.") if source else fields.below("source")),
        build_depends=fields.texts("build_depends"),
        depends=fields.texts("depends"),
        smoke_test=fields.commands("smoke_test"),
        folder=folder,
    )
    if source:
        fields.seen("source")
    fields.finish()
    if package.name != folder.name:
        raise fields.wrong("name", f"is {package.name}, but the folder is {folder.name}", "Give both the same name")
    if not is_upstream(package.version):
        raise fields.wrong("version", f"is '{package.version}'", "Write digits first, then letters, digits, '.', '+', '~'")
    check_debian_folder(folder, package.name, package.deb_version(distribution), package.build_depends, package.depends)
    return package


def load_packages(root: Path, names: Sequence[str], distribution: str, sources: Mapping[str, Mapping[str, Any]]) -> list[Package]:
    """Read the definitions of `names`, in this order, or of every folder under `root` that holds one."""
    known = defined_names(root)
    for name in [*names, *sources]:
        if name not in known:
            raise PackageError(
                f"find the package {name}",
                f"there is no {root.name}/{name}/{DEFINITION}",
                suggestion(name, known) or f"Known packages: {', '.join(known) or 'none'}",
            )
    return [load_package(root / name, distribution, sources.get(name)) for name in (names or known)]


def defined_names(root: Path) -> list[str]:
    """The names of the folders under `root` that hold a definition."""
    return sorted(path.parent.name for path in root.glob(f"*/{DEFINITION}"))


def _source(fields: Fields) -> Source:
    kind = fields.choice("kind", KINDS)
    source: Source
    if kind == "maven":
        source = MavenSource(_coordinates(fields), fields.digest("sha256"))
    elif kind == "pypi":
        source = PypiSource(fields.text("project"), fields.text("version"), fields.digest("sha256"))
    elif kind == "debian":
        source = DebianSource(fields.text("package"), fields.text("version"), fields.text("suite"), fields.digest("sha256"))
    elif kind == "archive":
        source = ArchiveSource(fields.text("url"), fields.digest("sha256"))
    elif kind == "generated":
        source = GeneratedSource(fields.text("file"))
    else:
        source = TreeSource(fields.folder("path"))
    fields.finish()
    return source


def _coordinates(fields: Fields) -> str:
    value = fields.text("coordinates")
    if not 3 <= len(value.split(":")) <= 5:
        raise fields.wrong("coordinates", f"is '{value}'", "Write group:artifact:version[:type[:classifier]]")
    return value
