"""Reads ahead what the rehearsal at the bake has read, before the application asks for it."""

from __future__ import annotations

import json
import os
from pathlib import Path

from twine_machine.errors import MachineError


def read_ahead(record: Path) -> tuple[int, int]:
    """Ask the kernel to load each file of a warm record; returns how many files and bytes. A file that is gone is left out."""
    try:
        files = json.loads(record.read_text(encoding="utf-8"))["files"]
        wanted = [str(file) for file in files]
    except (OSError, ValueError, KeyError, TypeError):
        raise MachineError(f"Failed to read {record}: it is no warm record. Bake the image again.") from None
    count = total = 0
    for name in wanted:
        try:
            descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            size = os.fstat(descriptor).st_size
            os.posix_fadvise(descriptor, 0, size, os.POSIX_FADV_WILLNEED)
            count, total = count + 1, total + size
        finally:
            os.close(descriptor)
    return count, total
