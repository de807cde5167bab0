"""The file system of an image as it lies there: read from a tar or from a folder, each file hashed once, nothing of it run."""

from __future__ import annotations

import hashlib
import os
import posixpath
import stat
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import IO

_XATTR = "SCHILY.xattr."
_CHUNK = 1 << 20
_TEXT_BYTES = 1 << 20
# What a manifest is read from; all else is only hashed.
_TEXTS = ("/etc/", "/usr/lib/sysctl.d/", "/usr/local/lib/sysctl.d/", "/usr/lib/systemd/", "/usr/local/lib/systemd/", "/usr/lib/twine-machine/")
_PACKAGE_LIST = "/var/lib/dpkg/info/"
_PACKAGE_STATUS = "/var/lib/dpkg/status"
_MODES = {stat.S_IFREG: "file", stat.S_IFDIR: "folder", stat.S_IFLNK: "link", stat.S_IFIFO: "pipe", stat.S_IFSOCK: "socket"}
_TAR_KINDS = {tarfile.DIRTYPE: "folder", tarfile.SYMTYPE: "link", tarfile.FIFOTYPE: "pipe", tarfile.CHRTYPE: "device", tarfile.BLKTYPE: "device"}


class RootError(Exception):
    """A file system could not be read; the message says which, why, and what to do."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What lies at one path. ``target`` is a link's, ``sha256`` a file's; extended attributes by name."""

    kind: str
    mode: int
    owner: int
    group: int
    sha256: str = ""
    target: str = ""
    xattrs: Mapping[str, bytes] = field(default_factory=dict)


@dataclass
class Root:
    """All paths below ``/``, and the content of those files that say how a machine is configured."""

    entries: dict[str, Entry] = field(default_factory=dict)
    contents: dict[str, bytes] = field(default_factory=dict)

    def text(self, path: str) -> str:
        """What the file at ``path`` says, links followed; empty if it is not there."""
        return self.contents.get(self.real(path), b"").decode(errors="replace")

    def real(self, path: str) -> str:
        """The path with every link in it followed, as the machine would."""
        done, waiting, hops = "/", [part for part in path.split("/") if part], 0
        while waiting:
            here = posixpath.normpath(posixpath.join(done, waiting.pop(0)))
            entry = self.entries.get(here)
            if entry is None or entry.kind != "link" or hops > 40:
                done = here
                continue
            hops += 1
            waiting = [part for part in entry.target.split("/") if part] + waiting
            done = "/" if entry.target.startswith("/") else done
        return done

    def names(self, folder: str) -> list[str]:
        """The names right in ``folder``, sorted; none if it is not there."""
        return self._children.get(self.real(folder), [])

    @cached_property
    def _children(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for path in sorted(self.entries):
            folder, _slash, name = path.rpartition("/")
            found.setdefault(folder or "/", []).append(name)
        return found


def read(source: Path) -> Root:
    """The file system in ``source``, which is a tar or a folder (a mounted image, or a machine's own ``/``).

    :raises RootError: if it can't be read to its end, or holds no Debian.
    """
    try:
        if source.is_dir():
            root = _read_folder(source)
        else:
            with source.open("rb") as stream:
                root = read_tar(stream)
                # A tar that was cut between two members reads like a whole one, but for its end: blocks of zeros.
                stream.seek(-tarfile.BLOCKSIZE, os.SEEK_END)
                if any(stream.read()):
                    raise tarfile.ReadError("unexpected end of data")
    except (OSError, tarfile.TarError, EOFError) as error:
        raise RootError(f"Failed to read the file system in {source}: {error}. Give a whole tar, or a folder as root.") from None
    if "/etc/passwd" not in root.contents or _PACKAGE_STATUS not in root.contents:
        lacks = "/etc/passwd" if "/etc/passwd" not in root.contents else _PACKAGE_STATUS
        raise RootError(f"Failed to read the file system in {source}: it has no {lacks}. Give the root of a Debian machine.")
    return root


def read_tar(stream: IO[bytes]) -> Root:
    """The file system that a tar holds, in one pass: a later member replaces an earlier one, as when it is unpacked."""
    root = Root()
    with tarfile.open(fileobj=stream, mode="r|", bufsize=_CHUNK) as tar:
        for member in tar:
            path = posixpath.normpath(f"/{member.name}")
            if member.islnk():
                original = posixpath.normpath(f"/{member.linkname}")
                if original not in root.entries:
                    raise tarfile.ReadError(f"{path} is the same file as {original}, which is not there")
                root.entries[path] = root.entries[original]
                if original in root.contents and _is_kept(path, len(root.contents[original])):
                    root.contents[path] = root.contents[original]
                continue
            digest = ""
            if member.isreg():
                digest = _hash(tar.extractfile(member), member.size, path, root)
            xattrs = {
                name.removeprefix(_XATTR): value.encode("utf-8", "surrogateescape")
                for name, value in member.pax_headers.items()
                if name.startswith(_XATTR)
            }
            kind = _TAR_KINDS.get(member.type, "file")
            target = {"link": member.linkname, "device": f"{member.devmajor}:{member.devminor}"}.get(kind, "")
            root.entries[path] = Entry(kind, member.mode & 0o7777, member.uid, member.gid, digest, target, xattrs)
    return root


def _read_folder(folder: Path) -> Root:
    root = Root()
    for place, status in _walk(folder, folder.lstat().st_dev):
        path = posixpath.normpath(f"/{place.relative_to(folder).as_posix()}")
        kind = _MODES.get(stat.S_IFMT(status.st_mode), "device")
        digest = target = ""
        if kind == "file":
            with place.open("rb") as stream:
                digest = _hash(stream, status.st_size, path, root)
        elif kind == "link":
            target = str(place.readlink())
        elif kind == "device":
            target = f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"
        xattrs = {name: os.getxattr(place, name, follow_symlinks=False) for name in sorted(os.listxattr(place, follow_symlinks=False))}
        root.entries[path] = Entry(kind, stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid, digest, target, xattrs)
    return root


def _walk(folder: Path, device: int) -> Iterator[tuple[Path, os.stat_result]]:
    """Everything below ``folder``, without what is mounted there."""
    yield folder, folder.lstat()
    with os.scandir(folder) as found:
        for item in sorted(found, key=lambda item: item.name):
            status = item.stat(follow_symlinks=False)
            if item.is_dir(follow_symlinks=False) and status.st_dev == device:
                yield from _walk(Path(item.path), device)
            else:
                yield Path(item.path), status


def _hash(stream: IO[bytes] | None, size: int, path: str, root: Root) -> str:
    digest, content, is_kept = hashlib.sha256(), b"", _is_kept(path, size)
    while stream is not None and (chunk := stream.read(_CHUNK)):
        digest.update(chunk)
        content += chunk if is_kept else b""
    if is_kept:
        root.contents[path] = content
    return digest.hexdigest()


def _is_kept(path: str, size: int) -> bool:
    if path == _PACKAGE_STATUS or (path.startswith(_PACKAGE_LIST) and path.endswith(".list")):
        return True
    return size <= _TEXT_BYTES and path.startswith(_TEXTS)
