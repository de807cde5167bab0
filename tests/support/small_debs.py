"""Debian packages by the thousand: written as bytes, because a process for each would take minutes.

The format: https://manpages.debian.org/bookworm/dpkg-dev/deb.5.en.html
"""

from __future__ import annotations

import gzip
import hashlib
import io
import random
import tarfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from ansible_collections.twine.platform.plugins.module_utils._packages.entry import Deb


def write(folder: Path, name: str, version: str = "1.0-1", size: int = 0, changelog: str = "") -> Deb:
    """Write a package that brings one small file, or one of `size` bytes, and its changelog; return what identifies it."""
    fields = {"Package": name, "Version": version, "Architecture": "all", "Maintainer": "A Person <a@example.org>", "Description": name}
    control = "".join(f"{key}: {value}\n" for key, value in fields.items()).encode()
    # Bytes that do not compress.
    text = f"{version}\n".encode() + random.Random(name + version).randbytes(size)
    files = {f"./usr/share/doc/{name}/version": text}
    if changelog:
        files[f"./usr/share/doc/{name}/changelog.gz"] = gzip.compress(changelog.encode(), mtime=0)
    members = {"debian-binary": b"2.0\n", "control.tar.gz": _archive({"./control": control}), "data.tar.gz": _archive(files)}
    content = b"!<arch>\n" + b"".join(_member(title, data) for title, data in members.items())
    deb = Deb(name, version, "all", hashlib.sha256(content).hexdigest())
    (folder / deb.file_name).write_bytes(content)
    return deb


def _member(title: str, data: bytes) -> bytes:
    return f"{title:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(data):<10}`\n".encode() + data + b"\n" * (len(data) % 2)


def _archive(files: Mapping[str, bytes]) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as tar:
        for folder in sorted({str(parent) for path in files for parent in PurePosixPath(path).parents if parent.name}):
            above = tarfile.TarInfo(folder)
            above.type, above.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(above)
        for path, content in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return gzip.compress(target.getvalue(), 1, mtime=0)
