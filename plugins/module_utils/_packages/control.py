"""What `debian/` says, compared with the definition beside it: two places that must not drift apart."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from .errors import PackageError
from .versions import changelog_top

# What the builder image carries anyway (build-essential's part is implied by Debian policy).
_BUILDER_TOOLS = frozenset({"debhelper-compat", "debhelper", "dh-python", "python3", "unzip"})


def paragraphs(text: str) -> list[dict[str, str]]:
    """The paragraphs of a deb822 text, each a mapping of field to value; continuation lines keep their line ends."""
    found: list[dict[str, str]] = []
    field = ""
    paragraph: dict[str, str] = {}
    for line in [*text.splitlines(), ""]:
        if not line.strip():
            if paragraph:
                found.append(paragraph)
            paragraph, field = {}, ""
        elif line.startswith("#"):
            continue
        elif line[0] in " \t":
            paragraph[field] = f"{paragraph.get(field, '')}\n{line.strip()}"
        else:
            field, _colon, value = line.partition(":")
            paragraph[field] = value.strip()
    return found


def names_in(relation: str) -> set[str]:
    """The package names of a relation field: the first alternative of each, without versions and substitutions."""
    names = {re.split(r"[\s(|\[<:]", clause, maxsplit=1)[0] for clause in clauses(relation)}
    return {name for name in names if not name.startswith("${")}


def clauses(relation: str) -> list[str]:
    """The parts of a relation field, each with its alternatives and versions."""
    return [" ".join(clause.split()) for clause in relation.split(",") if clause.strip()]


def check_debian_folder(folder: Path, name: str, version: str, build_depends: Iterable[str], depends: Iterable[str]) -> None:
    """Raise PackageError unless `debian/control` and `debian/changelog` say what the definition says."""
    control = paragraphs(_read(folder / "debian" / "control"))
    binary = next((part for part in control if part.get("Package") == name), None)
    if binary is None:
        raise PackageError(f"read {folder / 'debian' / 'control'}", f"it has no paragraph 'Package: {name}'", "Add it")
    _same(folder, "build_depends", build_depends, control[0], "Build-Depends")
    _same(folder, "depends", depends, binary, "Depends")
    where = folder / "debian" / "changelog"
    top_name, top_version = changelog_top(_read(where), str(where))
    if (top_name, top_version) != (name, version):
        raise PackageError(
            f"read {where}",
            f"its top entry is {top_name} ({top_version}), the definition's is {name} ({version})",
            "Add an entry, or mend version and revision in package.yml",
        )
    check_overrides(folder)


def check_overrides(folder: Path) -> None:
    """Raise PackageError unless each of lintian's overrides stands alone, names one place, and has its reason above it."""
    for path in sorted((folder / "debian").rglob("*lintian-overrides")):
        reason = False
        for number, line in enumerate(_read(path).splitlines(), 1):
            if line.strip() and not line.startswith("#"):
                if "*" in line:
                    raise PackageError(f"read {path}", f"line {number} has a wildcard", "Write one line for each place that lintian names")
                if not reason:
                    raise PackageError(f"read {path}", f"line {number} has no reason", "Say in a comment right above it why lintian is wrong here")
            reason = line.startswith("#") and len(line.strip("# ")) > 0


def _same(folder: Path, key: str, defined: Iterable[str], paragraph: Mapping[str, str], field: str) -> None:
    ours = names_in(",".join(defined)) - _BUILDER_TOOLS
    theirs = names_in(paragraph.get(field, "")) - _BUILDER_TOOLS
    if ours != theirs:
        only = [f"{item} only in package.yml" for item in sorted(ours - theirs)]
        only += [f"{item} only in debian/control" for item in sorted(theirs - ours)]
        raise PackageError(
            f"read {folder / 'package.yml'}",
            f"{key} differs from {field} in debian/control ({'; '.join(only)})",
            "Name the same packages in both",
        )


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise PackageError(f"read {path}", str(error.strerror), "Add Debian's packaging for it") from None
