"""Files that are whole or not there."""

from __future__ import annotations

import os
from pathlib import Path


def write(path: Path, content: str, mode: int = 0o644, owner: int = -1, group: int = -1) -> bool:
    """Put `content` at `path` in one step, never readable by more than `mode` says; returns whether it was another before."""
    data = content.encode()
    if path.is_file() and path.read_bytes() == data and path.stat().st_mode & 0o777 == mode:
        return False
    draft = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fchown(descriptor, owner, group)
            os.fchmod(descriptor, mode)
            os.fsync(descriptor)
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    return True


def make_folder(path: Path, mode: int = 0o755, owner: int = -1, group: int = -1) -> None:
    """Have a folder with exactly this mode."""
    path.mkdir(mode=mode, parents=True, exist_ok=True)
    os.chown(path, owner, group)
    path.chmod(mode)
