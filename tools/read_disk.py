"""Runs in a container of the base image: writes a tar of the file system in a raw disk's first partition to standard output, mounting nothing.

debugfs copies files with their owners; modes above 0777 and extended attributes, capabilities among them, it only tells, so they are set from
what it says. Devices it does not copy.
"""

from __future__ import annotations

import os
import re
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

SECTOR = 512
ATTRIBUTE = re.compile(r"^  (?P<name>[a-z.]+[\w.]*) \(\d+\)(?: = (?P<value>.*))?$")


def first_partition(disk: Path) -> int:
    """The first byte of the first partition, of either kind of table."""
    with disk.open("rb") as file:
        head = file.read(34 * SECTOR)
    kind, first = struct.unpack_from("<4xB3xI", head, 446)
    if kind == 0xEE:
        entries = [struct.unpack_from("<16s16sQ", head, 2 * SECTOR + 128 * number) for number in range(128)]
        # The root file system's is the first one of the table, wherever it lies.
        first = entries[0][2]
    return int(first) * SECTOR


def debugfs(disk: str, commands: str) -> str:
    """What debugfs says to commands."""
    done = subprocess.run(["debugfs", "-f", "-", disk], input=commands, capture_output=True, text=True, errors="surrogateescape", check=True)
    return done.stdout


def attributes(said: str) -> Iterator[tuple[str, str, bytes]]:
    """Path, name and value of each extended attribute in what debugfs says to `ea_list`: text in quotes, or bytes in hexadecimal digits."""
    path = ""
    for line in said.splitlines():
        if line.startswith("debugfs: ea_list "):
            path = line.removeprefix("debugfs: ea_list ").strip('"')
        elif found := ATTRIBUTE.match(line):
            value = found["value"] or ""
            text = value.startswith('"')
            yield path, found["name"], value[1:-1].encode().decode("unicode_escape").encode("latin-1") if text else bytes.fromhex(value)


def modes(said: str) -> Iterator[tuple[str, int]]:
    """Path and mode of all but links, in what debugfs says to `ls -p`: /inode/mode/user/group/name/size/."""
    path = ""
    for line in said.splitlines():
        if line.startswith("debugfs: ls -p "):
            path = line.removeprefix("debugfs: ls -p ").strip('"').rstrip("/")
        elif line.startswith("/") and len(fields := line.split("/")) > 6 and fields[5] not in (".", "..") and not fields[2].startswith("12"):
            yield f"{path}/{fields[5]}", int(fields[2], 8) & 0o7777


def names_in(folder: Path) -> list[str]:
    """What lies in a folder; the tar of an image has no entry for the root itself."""
    return sorted(path.name for path in folder.iterdir())


def main(disk: Path, folder: Path) -> None:
    """Copy, complete and send."""
    place = f"{disk}?offset={first_partition(disk)}"
    folder.mkdir()
    debugfs(place, f'rdump / "{folder}"\n')
    folders = ["", *(f"{path.relative_to(folder)}" for path in folder.rglob("*") if path.is_dir() and not path.is_symlink())]
    for path, mode in modes(debugfs(place, "".join(f'ls -p "/{name}"\n' for name in folders))):
        if (copied := folder / path.lstrip("/")).exists():
            copied.chmod(mode)
    names = [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    asked = "".join(f'ea_list "/{name}"\n' for name in names if '"' not in name)
    for path, name, value in attributes(debugfs(place, asked)):
        os.setxattr(folder / path.lstrip("/"), name, value)
    subprocess.run(["tar", "--create", f"--directory={folder}", "--xattrs", "--numeric-owner", *names_in(folder)], check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
