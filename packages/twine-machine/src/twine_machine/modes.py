"""Who may do what with the files of packages: dpkg does not keep it, so it is noted when a package is first seen."""

from __future__ import annotations

import grp
import pwd
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

USUAL = "0644 root root"


def note(root: Path, known: Mapping[str, Any]) -> dict[str, Any]:
    """Package to version and to those of its files whose permissions are not the usual ones.

    A package of the version that is known is not looked at again: converging a machine never makes right what somebody has changed.
    """
    found = {}
    for name, version, paths in _installed(root / "var/lib/dpkg"):
        kept = known.get(name)
        found[name] = kept if kept and kept["version"] == version else {"version": version, "modes": _unusual(root, paths)}
    return dict(sorted(found.items()))


def changed(place: Path, known: Mapping[str, Any], package: str, version: str, path: str) -> str:
    """In which way a package's file, at `place` and by its name in the package, is not for whom it was; empty if it is, or nobody knows."""
    noted, now = known.get(package), permissions(place)
    if not noted or noted["version"] != version or not now:
        return ""
    was = next((words for words, paths in noted["modes"].items() if path in paths), USUAL)
    return "" if now == was else f"permissions, owner and group {now} instead of {was}"


def permissions(place: Path) -> str:
    """Mode, owner and group of a file; empty for what is none, as a link or a folder."""
    try:
        about = place.lstat()
    except OSError:
        return ""
    if not stat.S_ISREG(about.st_mode):
        return ""
    return f"{stat.S_IMODE(about.st_mode):04o} {_name(pwd.getpwuid, about.st_uid)} {_name(grp.getgrgid, about.st_gid)}"


def _unusual(root: Path, paths: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for path in paths:
        words = permissions(root / path.lstrip("/"))
        if words not in ("", USUAL):
            found.setdefault(words, []).append(path)
    return {words: sorted(paths) for words, paths in sorted(found.items())}


def _installed(dpkg: Path) -> Iterator[tuple[str, str, list[str]]]:
    for text in (dpkg / "status").read_text(encoding="utf-8").split("\n\n"):
        fields = dict(line.split(": ", 1) for line in text.splitlines() if ": " in line and not line.startswith(" "))
        for name in (fields.get("Package", ""), f"{fields.get('Package')}:{fields.get('Architecture')}"):
            listing = dpkg / "info" / f"{name}.list"
            if fields.get("Status", "").endswith(" installed") and listing.is_file():
                yield name, fields["Version"], listing.read_text(encoding="utf-8", errors="surrogateescape").splitlines()


def _name(look: Callable[[int], Any], number: int) -> str:
    try:
        return str(look(number)[0])
    except KeyError:
        return str(number)
