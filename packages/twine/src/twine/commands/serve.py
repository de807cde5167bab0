"""twine serve: answer requests."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from twine.settings import read_settings

SETUPTOOLS = "pkg_resources"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument("--bind", help="unix:PATH or ADDRESS:PORT; default: TWINE_BIND, unix:/run/twine/twine.sock")


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGTERM; then finish what is under way."""
    settings = read_settings()
    settings.secrets.read("session_key")
    with without_setuptools():
        from twine.server import serve

    serve(settings, arguments.bind or settings.bind)
    return 0


@contextmanager
def without_setuptools() -> Iterator[None]:
    """Let gunicorn be imported alone.

    Version 20 loads setuptools, a quarter of all that a start loads, for names of workers that are not used here.
    The one after it does not, and then this can go.
    """
    is_absent = SETUPTOOLS not in sys.modules
    if is_absent:
        sys.modules[SETUPTOOLS] = ModuleType(SETUPTOOLS)
    try:
        yield
    finally:
        if is_absent:
            del sys.modules[SETUPTOOLS]
