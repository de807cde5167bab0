"""twine migrate: bring the database schema to the revision of this version, and let the application in."""

from __future__ import annotations

import argparse

from twine.admission import admit
from twine.schema import migrate, wait_for_database
from twine.settings import read_settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument("--wait", type=float, default=0, metavar="SECONDS", help="wait for the database so long")


def run(arguments: argparse.Namespace) -> int:
    """Migrate, then see that the application's user has its password of now."""
    settings = read_settings()
    wait_for_database(settings, arguments.wait)
    print(migrate(settings))
    print(admit(settings))
    return 0
