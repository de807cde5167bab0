"""Where a file of this machine came from: what dpkg knows, what the roles that configured the machine left, and the file itself."""

from __future__ import annotations

import grp
import hashlib
import json
import pwd
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from twine_machine import modes

FORMAT = 1


@dataclass(frozen=True)
class Origin:
    """What is known of one file. ``changed`` lists in which ways it is not as it came; empty: it is."""

    path: str
    kind: str  # package, role, unknown, absent
    package: dict[str, str] = field(default_factory=dict)
    role: dict[str, str] = field(default_factory=dict)
    changed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Dpkg:
    """dpkg's own records below ``root``: deb-md5sums(5), dpkg-query(1)."""

    root: Path

    def owner(self, path: str) -> str:
        """The package that brought ``path``; empty if none did."""
        wanted = {f"{name}\n" for name in _names(path)}
        for listing in sorted((self.root / "var/lib/dpkg/info").glob("*.list")):
            with listing.open(encoding="utf-8", errors="surrogateescape") as lines:
                if not wanted.isdisjoint(lines):
                    return listing.name.removesuffix(".list")
        return ""

    def listed(self, package: str) -> frozenset[str]:
        """The paths that ``package`` brought."""
        listing = self.root / "var/lib/dpkg/info" / f"{package}.list"
        return frozenset(listing.read_text(encoding="utf-8", errors="surrogateescape").splitlines())

    def paragraph(self, package: str) -> dict[str, str]:
        """The status of ``package``, by field; continuation lines are kept."""
        name, _colon, architecture = package.partition(":")
        for text in (self.root / "var/lib/dpkg/status").read_text(encoding="utf-8").split("\n\n"):
            fields = dict(_fields(text))
            if fields.get("Package") == name and architecture in ("", fields.get("Architecture")):
                return fields
        return {}

    def digest(self, package: str, path: str, paragraph: Mapping[str, str]) -> str:
        """The MD5 with which the package brought the file; empty if it recorded none (links, files made by a script)."""
        sums = self.root / "var/lib/dpkg/info" / f"{package}.md5sums"
        known = {f"/{name}": digest for digest, name in _pairs(sums.read_text(encoding="utf-8"))} if sums.is_file() else {}
        known |= {name: digest for name, digest, *_more in (line.split() for line in paragraph.get("Conffiles", "").splitlines() if line.strip())}
        return next((known[name] for name in _names(path) if name in known), "")


def find(root: Path, record: Mapping[str, Any], known_modes: Mapping[str, Any], path: str) -> Origin:
    """Say where ``path`` came from and whether it is as it came; ``record`` is what :func:`read` returns, ``known_modes`` what modes.note does."""
    place = root / path.lstrip("/")
    if not place.exists() and not place.is_symlink():
        return Origin(path, "absent")
    written = next((record["files"][name] for name in _names(path) if name in record["files"]), None)
    dpkg = Dpkg(root)
    package = _package(dpkg, record, dpkg.owner(path))
    if written:
        role = {"collection": record["collection"], "commit": record["commit"], **{name: written[name] for name in ("role", "task", "source")}}
        return Origin(path, "role", package, role, _differences(place, written))
    if not package:
        return Origin(path, "unknown")
    digest = dpkg.digest(package["name"], path, dpkg.paragraph(package["name"]))
    listed = next(name for name in _names(path) if name in dpkg.listed(package["name"]))
    modes_changed = modes.changed(place, known_modes, package["name"], package["version"], listed)
    changed: tuple[str, ...] = ("content",) if digest and _hash(place, "md5") != digest else ()
    changed += (modes_changed,) if modes_changed else ()
    return Origin(path, "package", {**package, "verified": "yes" if digest and not changed else "no"}, {}, changed)


def read(path: Path) -> dict[str, Any]:
    """The record of the roles; an empty one where the machine has none."""
    empty: dict[str, Any] = {"format": FORMAT, "collection": "", "commit": "", "snapshot": "", "packages": {}, "files": {}}
    return {**empty, **json.loads(path.read_text(encoding="utf-8"))} if path.is_file() else empty


def record(root: Path, given: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """The record after roles wrote ``given["files"]``; files that an earlier run wrote stay in it as long as they exist."""
    files = {name: entry for name, entry in known["files"].items() if (root / name.lstrip("/")).exists()}
    for entry in given["files"]:
        place = root / entry["path"].lstrip("/")
        if place.is_symlink() or place.is_file():
            files[entry["path"]] = {**{name: entry[name] for name in ("role", "task", "source")}, **_state(place)}
    about = {name: given[name] for name in ("collection", "commit", "snapshot", "packages")}
    return {"format": FORMAT, **about, "files": dict(sorted(files.items()))}


def _package(dpkg: Dpkg, record: Mapping[str, Any], name: str) -> dict[str, str]:
    if not name:
        return {}
    version = dpkg.paragraph(name).get("Version", "")
    ours = record["packages"].get(name.partition(":")[0], {})
    found = {"name": name, "version": version}
    if ours.get("version") == version:
        found |= {"snapshot": record["snapshot"], **{key: ours[key] for key in ("sha256", "commit") if key in ours}}
    return found


def _differences(place: Path, written: Mapping[str, str]) -> tuple[str, ...]:
    now = _state(place)
    return tuple(
        "content" if name in ("sha256", "target") else f"{name} {now.get(name, 'none')} instead of {value}"
        for name, value in written.items()
        if name in ("sha256", "target", "mode", "owner", "group") and now.get(name) != value
    )


def _state(place: Path) -> dict[str, str]:
    about = place.lstat()
    if place.is_symlink():
        return {"target": str(place.readlink())}
    owner, group = _name(pwd.getpwuid, about.st_uid), _name(grp.getgrgid, about.st_gid)
    return {"sha256": _hash(place, "sha256"), "mode": f"{about.st_mode & 0o7777:04o}", "owner": owner, "group": group}


def _name(look: Any, number: int) -> str:
    try:
        return str(look(number)[0])
    except KeyError:
        return str(number)


def _hash(place: Path, algorithm: str) -> str:
    if not place.is_file():
        return ""
    with place.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def _names(path: str) -> list[str]:
    """The path as packages may have written it: since /bin is a link to /usr/bin, the same file has two names."""
    short = path.removeprefix("/usr")
    merged = short.split("/", 2)[1] if short.count("/") > 1 else ""
    return [path, short if path != short else f"/usr{path}"] if merged in ("bin", "sbin", "lib", "lib64") else [path]


def _fields(paragraph: str) -> Iterator[tuple[str, str]]:
    name, value = "", ""
    for line in paragraph.splitlines():
        if line.startswith((" ", "\t")):
            value += f"\n{line.strip()}"
            continue
        if name:
            yield name, value
        name, _colon, value = line.partition(":")
        value = value.strip()
    if name:
        yield name, value


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        digest, _blank, name = line.partition("  ")
        yield digest, name
