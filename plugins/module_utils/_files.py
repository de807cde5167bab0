# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files that belong together, and their folders and links: all are checked before the first is put in its place."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import re
import shlex
import stat
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILE_MODE, FOLDER_MODE = "0644", "0755"
KINDS = ("template", "source", "content", "link", "directory")
# One of them, as tasks give it. The action plugin renders a template, or reads a source, into content.
ENTRY: dict[str, dict[str, Any]] = {
    "path": {"type": "path"},
    "template": {"type": "str"},
    "source": {"type": "str"},
    "content": {"type": "raw"},
    "link": {"type": "str"},
    "directory": {"type": "bool", "choices": [True]},
    "owner": {"type": "str", "default": "root"},
    "group": {"type": "str", "default": "root"},
    "mode": {"type": "str"},
    "validate": {"type": "str"},
}
ARGUMENTS: dict[str, dict[str, Any]] = {
    "files": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": ENTRY,
        "mutually_exclusive": [KINDS, ("link", "mode"), ("link", "validate"), ("directory", "validate")],
        "required_one_of": [KINDS, ("path", "template")],
    }
}

Run = Callable[[str], tuple[int, str, str]]
"""Runs a command; its exit code, standard output and standard error."""


class FilesError(Exception):
    """A file cannot be written; the message says which, why, and what to do."""


@dataclass(frozen=True)
class Wanted:
    """One file as it shall be; ``validate`` is a command with ``%s`` for the file, empty for none."""

    path: Path
    content: bytes
    owner: str = "root"
    group: str = "root"
    mode: str = FILE_MODE
    validate: str = ""

    @property
    def bits(self) -> int:
        """The mode as a number."""
        # Without its zero it would be what YAML makes of 0644 where it stands without quotes: 420.
        if not re.fullmatch("0[0-7]{3,4}", self.mode):
            raise self.refused(f"its mode {self.mode} is no octal number that begins with 0", f'Write it as "{FILE_MODE}"')
        return int(self.mode, 8)

    def owners(self) -> tuple[int, int]:
        """The ids of user and group; one that is written as a number needs no account."""
        try:
            user = int(self.owner) if self.owner.isdecimal() else pwd.getpwnam(self.owner).pw_uid
            return user, int(self.group) if self.group.isdecimal() else grp.getgrnam(self.group).gr_gid
        except KeyError:
            raise self.refused(f"there is no user {self.owner} or no group {self.group}", "Install what brings them first") from None

    def before(self) -> bytes | None:
        """What is there; None for nothing, and for what is no file of its own."""
        return self.path.read_bytes() if self.path.is_file() and not self.path.is_symlink() else None

    def obstacle(self) -> FilesError | None:
        """What is in the way and isn't replaced."""
        return self.refused("it is a folder", "Remove the folder, or name another path") if self.path.is_dir() else None

    def stands(self) -> bool:
        """Whether content, mode and owners are there as they shall be."""
        return self.before() == self.content and self._belongs()

    def _belongs(self) -> bool:
        found = self.path.stat()
        return (stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid) == (self.bits, *self.owners())

    def difference(self) -> dict[str, str]:
        """What ``--diff`` shows."""
        before = self.before()
        if before == self.content:
            found = self.path.stat()
            was = f"mode {stat.S_IMODE(found.st_mode):04o}, uid {found.st_uid}, gid {found.st_gid}\n"
            return self._about(was, f"mode {self.mode}, owner {self.owner}, group {self.group}\n")
        return self._about((before or b"").decode(errors="replace"), self.content.decode(errors="replace"))

    def _about(self, before: str, after: str) -> dict[str, str]:
        return {"before_header": str(self.path), "after_header": str(self.path), "before": before, "after": after}

    def stage(self, new: Path) -> None:
        """Make it, complete, at ``new``, an empty file of our own."""
        bits, (uid, gid) = self.bits, self.owners()
        with new.open("wb") as file:
            file.write(self.content)
            os.fchown(file.fileno(), uid, gid)
            os.fchmod(file.fileno(), bits)

    def refused(self, why: str, remedy: str) -> FilesError:
        """The error that says why this one cannot be written."""
        return FilesError(f"Failed to write {self.path}: {why}. {remedy}.")


@dataclass(frozen=True)
class Link(Wanted):
    """A symbolic link; what it points to is its content. It has no mode or owner of its own."""

    def obstacle(self) -> FilesError | None:
        """A folder of its own, or nowhere to point to; a link is turned, wherever it points."""
        if not self.content:
            return self.refused("it is a link to nowhere", "Say where it points")
        return None if self.path.is_symlink() else super().obstacle()

    def before(self) -> bytes | None:
        """What it points to."""
        return os.fsencode(self.path.readlink()) if self.path.is_symlink() else None

    def stands(self) -> bool:
        """Whether it points where it shall."""
        return self.before() == self.content

    def stage(self, new: Path) -> None:
        """Make it in the place of ``new``."""
        new.unlink()
        new.symlink_to(os.fsdecode(self.content))


@dataclass(frozen=True)
class Folder(Wanted):
    """A folder: content it has none."""

    content: bytes = b""
    mode: str = FOLDER_MODE

    def obstacle(self) -> FilesError | None:
        """What is there and is no folder."""
        found = self.path.exists() and not self.path.is_dir()
        return self.refused("it is no folder", "Remove what is there, or name another path") if found else None

    def before(self) -> bytes | None:
        """Nothing, if it is there."""
        return b"" if self.path.is_dir() else None

    def difference(self) -> dict[str, str]:
        """What ``--diff`` shows."""
        shall = f"a folder of mode {self.mode}, owner {self.owner}, group {self.group}\n"
        return super().difference() if self.path.is_dir() else self._about("", shall)

    def make(self) -> None:
        """Make it, or give it its mode and owners."""
        bits, owners = self.bits, self.owners()
        _folder(self.path)
        os.chown(self.path, *owners)
        self.path.chmod(bits)


def write(wanted: Iterable[Wanted], run: Run, check: bool = False) -> list[dict[str, str]]:
    """Write what does not stand yet; return the differences.

    Folders come first. Those that are missing above a path are made, root's, of mode 0755. With ``check``, nothing is written.

    :raises FilesError: if one cannot be written or its command refuses it; then no file or link was.
    """
    moved, differences = [], []
    for one in wanted:
        with _told(one):
            if not _stands(one, check):
                moved.append(one)
                differences.append(one.difference())
    if check:
        return differences
    with contextlib.ExitStack() as staged:
        for one in moved:
            if isinstance(one, Folder):
                with _told(one):
                    one.make()
        ready = [(staged.enter_context(_staged(one)), one) for one in moved if not isinstance(one, Folder)]
        for new, one in ready:
            _validate(one, new, run)
        for new, one in ready:
            with _told(one):
                new.replace(one.path)
    return differences


@contextlib.contextmanager
def _told(one: Wanted) -> Iterator[None]:
    """Says of which file the system's error is."""
    try:
        yield
    except OSError as error:
        raise one.refused(str(error.strerror), "Give room or the right to write there") from None


def _stands(one: Wanted, check: bool) -> bool:
    if obstacle := one.obstacle():
        raise obstacle
    # A check of a machine to come: what would bring the owner is not installed.
    return one.stands() if not check or one.before() is not None else False


@contextlib.contextmanager
def _staged(one: Wanted) -> Iterator[Path]:
    """The new one beside its place, complete, before it takes it: nobody who must not sees its content at any moment."""
    with _told(one):
        _folder(one.path.parent)
        handle, name = tempfile.mkstemp(dir=one.path.parent, prefix=f".{one.path.name}.")
        os.close(handle)
    new = Path(name)
    try:
        with _told(one):
            one.stage(new)
        yield new
    finally:
        new.unlink(missing_ok=True)


def _folder(path: Path) -> None:
    if not path.exists():
        _folder(path.parent)
        path.mkdir()
        path.chmod(int(FOLDER_MODE, 8))


def _validate(one: Wanted, new: Path, run: Run) -> None:
    if not one.validate:
        return
    if "%s" not in one.validate:
        raise one.refused(f"its command `{one.validate}` does not say %s, which stands for the file", "Put it where the file's name belongs")
    code, out, said = run(one.validate.replace("%s", shlex.quote(str(new))))
    if code:
        lines = [line.strip() for line in (said.strip() or out.strip()).splitlines()]
        raise one.refused(
            f"`{one.validate}` refuses it: {'; '.join(lines[-3:]).replace(str(new), str(one.path)).rstrip('.')}", "Correct what it is made of"
        )
