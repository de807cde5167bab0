"""Folders as builds see them: content and the executable bit, nothing of who checked them out, where, or when."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path

_LEFT_OUT = frozenset({"__pycache__", ".git", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".venv"})


def sha256_of(path: Path) -> str:
    """The file's SHA-256 in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_of(*texts: str) -> str:
    """One SHA-256 over several texts, each kept apart from the next."""
    total = hashlib.sha256()
    for text in texts:
        data = text.encode()
        total.update(len(data).to_bytes(8, "big") + data)
    return total.hexdigest()


def files_in(folder: Path) -> Iterator[tuple[str, Path]]:
    """Every file and symbolic link under `folder` with its relative path, in one order everywhere."""
    found = []
    for path in folder.rglob("*"):
        relative = path.relative_to(folder)
        if not _LEFT_OUT.intersection(relative.parts) and (path.is_symlink() or path.is_file()):
            found.append((relative.as_posix(), path))
    yield from sorted(found)


def file_digests(folder: Path) -> dict[str, str]:
    """Relative path → digest over kind, executable bit and content."""
    return {name: _digest(path) for name, path in files_in(folder)}


def _digest(path: Path) -> str:
    if path.is_symlink():
        return digest_of("link", str(path.readlink()))
    return digest_of("program" if _is_program(path) else "file", sha256_of(path))


def _is_program(path: Path) -> bool:
    return bool(path.stat().st_mode & 0o100)


def write_tar(target: Path, folder: Path, epoch: int, extra: Mapping[str, Path | str]) -> None:
    """Write a tar of `folder` and `extra` (path in the tar → file, or its text) that is equal wherever it is made.

    `epoch` (seconds since 1970) is every file's time.
    """
    members: dict[str, Path | str] = dict(files_in(folder))
    members.update(extra)
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in sorted(members.items()):
            _add(tar, name, content, epoch)


def _add(tar: tarfile.TarFile, name: str, content: Path | str, epoch: int) -> None:
    member = tarfile.TarInfo(name)
    member.mtime = epoch
    member.mode = 0o644
    if isinstance(content, str):
        data = content.encode()
        member.size = len(data)
        tar.addfile(member, io.BytesIO(data))
    elif content.is_symlink():
        member.type = tarfile.SYMTYPE
        member.linkname = str(content.readlink())
        tar.addfile(member)
    else:
        member.mode = 0o755 if _is_program(content) else 0o644
        member.size = content.stat().st_size
        with content.open("rb") as file:
            tar.addfile(member, file)
