"""Files that are whole or not there."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write(path: Path, text: str, mode: int, group: int = -1) -> None:
    """Writes ``text`` to ``path`` at once, with ``mode`` and ``group`` set before the first byte is in it."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        os.fchmod(handle, mode)
        if group >= 0:
            os.fchown(handle, -1, group)
        with os.fdopen(handle, "w") as out:
            out.write(text)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
