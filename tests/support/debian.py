"""Debian's own programs: this machine's where it has them, else the base image's, so that no test needs a Debian to run on."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence

IMAGE = "twine/base:bookworm"


def command(args: Sequence[str], needs: str = "") -> list[str]:
    """`args` themselves where the program they need (the first word, if none is named) is on PATH, else in a container.

    The container runs as oneself, without a network, and sees the temporary files of this machine.
    """
    if shutil.which(needs or args[0]):
        return list(args)
    folder = tempfile.gettempdir()
    options = ["--rm", "--interactive", "--network=none", f"--user={os.getuid()}:{os.getgid()}", f"--volume={folder}:{folder}"]
    return ["docker", "run", *options, IMAGE, *args]


def run(*args: str, needs: str = "") -> str:
    """Run `args` to their end, and return what they printed."""
    return subprocess.run(command(args, needs), check=True, capture_output=True, text=True).stdout
