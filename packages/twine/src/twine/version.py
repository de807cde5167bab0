"""The version that this process runs: the package build writes it beside the code, a checkout has none."""

from __future__ import annotations

from pathlib import Path

VERSION_FILE = Path(__file__).with_name("VERSION")


def read_version(path: Path = VERSION_FILE) -> str:
    """Return the version in `path`, or a name that nobody takes for a release."""
    try:
        return path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return "0.0.0+checkout"


VERSION = read_version()
