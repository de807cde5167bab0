"""Copies of folders."""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def copy(origin: Path, target: Path, *without: str) -> None:
    """Bring a folder, which may be there, what another has, but for some names. Files that are one there are one here, too, as `cp -a` has it."""
    known: dict[int, str] = {}

    def place(source: str, goal: str) -> None:
        first = known.setdefault(Path(source).stat().st_ino, goal)
        if first == goal:
            shutil.copy2(source, goal)
        else:
            os.link(first, goal)

    shutil.copytree(origin, target, symlinks=True, ignore=shutil.ignore_patterns(*without), copy_function=place, dirs_exist_ok=True)
