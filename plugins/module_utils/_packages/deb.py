"""What is inside a deb, read without dpkg: its control fields, its files, and how two debs differ.

Format: https://manpages.debian.org/bookworm/dpkg-dev/deb.5.en.html
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

from .control import paragraphs
from .errors import PackageError

_MAGIC = b"!<arch>\n"
_HEADER = 60


def control_fields(deb: Path) -> dict[str, str]:
    """The fields of the deb's control file."""
    for path, content in _files(deb, "control.tar"):
        if path == "control":
            return paragraphs(content.decode())[0]
    raise PackageError(f"read {deb}", "it has no control file", "Build it again")


def relations(fields: dict[str, str]) -> str:
    """What the deb cannot be installed without, as one relation field."""
    return ", ".join(fields[name] for name in ("Pre-Depends", "Depends") if fields.get(name))


def files(deb: Path) -> Iterator[tuple[str, bytes]]:
    """Path (without a leading slash) and content of each file that the deb installs."""
    return _files(deb, "data.tar")


def differences(first: Path, second: Path) -> list[str]:
    """What in two debs is not the same, for people: file and kind of difference; empty when they are equal byte for byte."""
    one, other = dict(_members(first)), dict(_members(second))
    found = []
    for name in sorted({*one, *other}):
        if name not in one or name not in other:
            found.append(f"{name} is in one of them only")
        elif one[name] != other[name]:
            inside = _tar_differences(one[name], other[name]) if ".tar" in name else []
            found += inside or [f"{name} is packed in another way"]
    # Digests of the files follow from them.
    found = [one for one in found if one != "md5sums differs in content"] or found
    if not found and first.read_bytes() != second.read_bytes():
        found.append("the headers of the archive differ")
    return found


def _files(deb: Path, member: str) -> Iterator[tuple[str, bytes]]:
    for name, data in _members(deb):
        if name.startswith(member):
            with _tar(name, data) as tar:
                for entry in tar:
                    content = tar.extractfile(entry) if entry.isreg() else None
                    if content:
                        yield entry.name.removeprefix("./"), content.read()


def _members(deb: Path) -> Iterator[tuple[str, bytes]]:
    """Name and content of each member of the ar archive that a deb is."""
    with deb.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            raise PackageError(f"read {deb}", "it is no deb", "Build it again")
        while header := file.read(_HEADER):
            size = int(header[48:58])
            yield header[:16].decode().strip().rstrip("/"), file.read(size)
            file.read(size % 2)


def _tar(name: str, data: bytes) -> tarfile.TarFile:
    try:
        return tarfile.open(fileobj=io.BytesIO(data))
    except tarfile.ReadError:
        raise PackageError(f"read {name}", "it is packed in a way that Python cannot read", "Let dpkg-deb pack with xz or gzip") from None


def _tar_differences(first: bytes, second: bytes) -> list[str]:
    one, other = _described(first), _described(second)
    found = [f"{path} is in one of them only" for path in sorted({*one} ^ {*other})]
    for path in sorted({*one} & {*other}):
        aspects = [aspect for aspect, value in one[path].items() if value != other[path][aspect]]
        if aspects:
            found.append(f"{path} differs in {' and '.join(aspects)}")
    return found or ([] if list(one) == list(other) else ["the order of the files differs"])


def _described(data: bytes) -> dict[str, dict[str, object]]:
    described: dict[str, dict[str, object]] = {}
    with _tar("a part of the deb", data) as tar:
        for entry in tar:
            content = tar.extractfile(entry) if entry.isreg() else None
            described[entry.name.removeprefix("./") or "."] = {
                "content": hashlib.sha256(content.read()).hexdigest() if content else entry.linkname,
                "time": entry.mtime,
                "mode": (entry.type, entry.mode),
                "owner": (entry.uid, entry.gid, entry.uname, entry.gname),
            }
    return described
