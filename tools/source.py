"""The checkout as git would clone it (untracked files that are not ignored included), laid out as an installed collection."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

from tools import checkout


def files(root: Path = checkout.ROOT) -> list[str]:
    """Return the paths, relative to root, of every file that is or would be in git."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout.split("\0")
    return sorted(name for name in set(names) if name and (root / name).is_file())


def fingerprint(names: Iterable[str], root: Path = checkout.ROOT) -> str:
    """Return one digest over the names, modes and contents of files."""
    sha = hashlib.sha256()
    for name in names:
        path = root / name
        mode = path.stat().st_mode & 0o111
        sha.update(f"{name}\0{mode}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return sha.hexdigest()


def copy(target: Path, keep: Callable[[str], bool] = lambda _name: True) -> Path:
    """Make target/ansible_collections/twine/platform equal to the checkout's files, and return that folder."""
    folder = target / "ansible_collections" / "twine" / "platform"
    wanted = [name for name in files() if keep(name)]
    for path in sorted(folder.rglob("*"), reverse=True):
        name = path.relative_to(folder).as_posix()
        if name.split("/")[0] == ".git":
            continue
        if path.is_dir():
            if not any(path.iterdir()):
                path.rmdir()
        elif name not in wanted:
            path.unlink()
    for name in wanted:
        _copy_file(checkout.ROOT / name, folder / name)
    return folder


def _copy_file(source: Path, target: Path) -> None:
    if target.is_file():
        ours, theirs = target.stat(), source.stat()
        if (ours.st_size, ours.st_mtime_ns, ours.st_mode) == (theirs.st_size, theirs.st_mtime_ns, theirs.st_mode):
            return
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source, target)
