"""What a package is: `packages/<name>/package.yml`, read strictly into typed values."""

from __future__ import annotations

import difflib
import importlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from .control import check_debian_folder
from .errors import PackageError
from .versions import deb_version, is_upstream

DEFINITION = "package.yml"
KINDS = ("tree", "maven", "pypi", "archive", "generated")
ARCHITECTURES = ("all", "any")
_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class TreeSource:
    """The package's own folder, or `path` below it."""

    path: str = "."


@dataclass(frozen=True)
class MavenSource:
    """One artifact of a Maven repository."""

    coordinates: str
    sha256: str

    @property
    def file_name(self) -> str:
        _group, artifact, version, *rest = self.coordinates.split(":")
        kind = rest[0] if rest else "jar"
        classifier = f"-{rest[1]}" if len(rest) > 1 else ""
        return f"{artifact}-{version}{classifier}.{kind}"


@dataclass(frozen=True)
class Wheel:
    """One file of the Python Package Index."""

    name: str
    version: str
    sha256: str


@dataclass(frozen=True)
class PypiSource:
    """Wheels, each fetched by itself: their dependencies are Debian's."""

    wheels: tuple[Wheel, ...]


@dataclass(frozen=True)
class ArchiveSource:
    """One file by address."""

    url: str
    sha256: str


@dataclass(frozen=True)
class GeneratedSource:
    """A file that another step makes; `file` is a path from the checkout's root."""

    file: str


Source: TypeAlias = "TreeSource | MavenSource | PypiSource | ArchiveSource | GeneratedSource"


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
    folder: Path

    def deb_version(self, distribution: str, version: str | None = None) -> str:
        """The deb's version for `distribution`, of `version` instead of the definition's where given."""
        return deb_version(version or self.version, self.revision, distribution)


def load_package(folder: Path, distribution: str, source: Mapping[str, Any] | None = None) -> Package:
    """Read the definition in `folder`; `source` stands in for the definition's own where given.

    Raises PackageError with file, key and remedy for anything that is not as it must be.
    """
    path = folder / DEFINITION
    fields = _Fields(path, _read_yaml(path))
    package = Package(
        name=fields.matching("name", _NAME, "a Debian package name"),
        version=fields.text("version"),
        revision=fields.number("revision", 1),
        summary=fields.text("summary"),
        licence=fields.text("licence"),
        architecture=fields.choice("architecture", ARCHITECTURES),
        source=_source(_Fields(path, source, "source.") if source else fields.below("source")),
        build_depends=fields.texts("build_depends"),
        depends=fields.texts("depends"),
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
                _suggestion(name, known) or f"Known packages: {', '.join(known) or 'none'}",
            )
    return [load_package(root / name, distribution, sources.get(name)) for name in (names or known)]


def defined_names(root: Path) -> list[str]:
    """The names of the folders under `root` that hold a definition."""
    return sorted(path.parent.name for path in root.glob(f"*/{DEFINITION}"))


def _source(fields: _Fields) -> Source:
    kind = fields.choice("kind", KINDS)
    source: Source
    if kind == "maven":
        source = MavenSource(_coordinates(fields), fields.digest("sha256"))
    elif kind == "pypi":
        source = PypiSource(tuple(_wheel(wheel) for wheel in fields.each_below("wheels")))
    elif kind == "archive":
        source = ArchiveSource(fields.text("url"), fields.digest("sha256"))
    elif kind == "generated":
        source = GeneratedSource(fields.text("file"))
    else:
        source = TreeSource(fields.folder("path"))
    fields.finish()
    return source


def _coordinates(fields: _Fields) -> str:
    value = fields.text("coordinates")
    if not 3 <= len(value.split(":")) <= 5:
        raise fields.wrong("coordinates", f"is '{value}'", "Write group:artifact:version[:type[:classifier]]")
    return value


def _wheel(fields: _Fields) -> Wheel:
    wheel = Wheel(fields.text("name"), fields.text("version"), fields.digest("sha256"))
    fields.finish()
    return wheel


def _read_yaml(path: Path) -> Mapping[str, Any]:
    # Imported here: the parts of this package that run on machines have no PyYAML there, and read no definition.
    yaml = importlib.import_module("yaml")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PackageError(f"read {path}", str(error.strerror), "Add the file as packages/README.md shows it") from None
    except ValueError as error:
        raise PackageError(f"read {path}", f"it is no text: {error}", "Write it in UTF-8") from None
    except yaml.YAMLError as error:
        raise PackageError(f"read {path}", f"it is no YAML: {error}", "Mend the line named") from None
    if not isinstance(content, dict):
        raise PackageError(f"read {path}", "it holds no mapping", "Begin with 'name:' as packages/README.md shows it")
    return content


def _suggestion(word: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(word, known, n=1)
    return f"Did you mean {near[0]}?" if near else ""


class _Fields:
    """A mapping that knows which of its keys were read, and says what is wrong with the others."""

    def __init__(self, path: Path, values: Mapping[str, Any], prefix: str = "") -> None:
        self._path = path
        self._values = values
        self._prefix = prefix
        self._read: list[str] = []

    def wrong(self, key: str, why: str, remedy: str) -> PackageError:
        return PackageError(f"read {self._path}", f"{self._prefix}{key} {why}", remedy)

    def seen(self, key: str) -> None:
        self._read.append(key)

    def text(self, key: str) -> str:
        value = self._required(key)
        if not isinstance(value, str):
            hint = " Put it in quotes, so that YAML does not take it for a number" if isinstance(value, float) else ""
            raise self.wrong(key, f"is {_type(value)}, not text", hint or "Write text")
        if not value.strip():
            raise self.wrong(key, "is empty", "Write its value")
        return value

    def matching(self, key: str, pattern: re.Pattern[str], what: str) -> str:
        value = self.text(key)
        if not pattern.fullmatch(value):
            raise self.wrong(key, f"is '{value}', not {what}", "Use lower-case letters, digits, '+', '-' and '.'")
        return value

    def digest(self, key: str) -> str:
        if key not in self._values:
            raise self.wrong(key, "is missing", "Add the file's SHA-256 (sha256sum FILE prints it)")
        value = self.text(key)
        if not _SHA256.fullmatch(value):
            raise self.wrong(key, f"is '{value}', not a SHA-256", "Write 64 lower-case hexadecimal digits")
        return value

    def number(self, key: str, default: int) -> int:
        self.seen(key)
        value = self._values.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise self.wrong(key, f"is {value!r}, not a whole number from 1", "Write a number such as 1")
        return value

    def choice(self, key: str, choices: Sequence[str]) -> str:
        value = self.text(key)
        if value not in choices:
            remedy = _suggestion(value, choices) or f"Choose one of {', '.join(choices)}"
            raise self.wrong(key, f"is '{value}'", remedy)
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        self.seen(key)
        value = self._values.get(key) or []
        if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
            raise self.wrong(key, f"is {_type(value)}, not a list of names", "Write [name, name]")
        return tuple(value)

    def folder(self, key: str) -> str:
        """A folder below the definition's own, by default that one."""
        self.seen(key)
        value = self._values.get(key, ".")
        if not isinstance(value, str) or not (self._path.parent / value).is_dir():
            raise self.wrong(key, f"is {value!r}, and there is no such folder here", "Name a folder below this file's, or leave it out")
        return value

    def below(self, key: str) -> _Fields:
        value = self._required(key)
        if not isinstance(value, dict):
            raise self.wrong(key, f"is {_type(value)}, not a mapping", "Write 'kind:' below it")
        return _Fields(self._path, value, f"{self._prefix}{key}.")

    def each_below(self, key: str) -> list[_Fields]:
        value = self._required(key)
        if not isinstance(value, list) or not value or not all(isinstance(item, dict) for item in value):
            raise self.wrong(key, f"is {_type(value)}, not a list of mappings", "Write '- name: …' for each")
        return [_Fields(self._path, item, f"{self._prefix}{key}[{index}].") for index, item in enumerate(value)]

    def finish(self) -> None:
        for key in self._values:
            if key not in self._read:
                remedy = _suggestion(str(key), self._read) or f"Known fields here: {', '.join(sorted(self._read))}"
                raise self.wrong(str(key), "is an unknown field", remedy)

    def _required(self, key: str) -> Any:
        self.seen(key)
        if self._values.get(key) is None:
            raise self.wrong(key, "is missing", "Add it as packages/README.md shows it")
        return self._values[key]


def _type(value: object) -> str:
    names = {str: "text", bool: "a truth value", int: "a number", float: "a number", list: "a list", dict: "a mapping"}
    return names.get(type(value), type(value).__name__)
