"""twine seed: clients and staff to try Twine with. Run again, it adds only what is missing."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import psycopg

from twine.database import connect
from twine.errors import TwineError
from twine.seeds import Seeds
from twine.settings import read_settings

PASSWORD_FILE = "TWINE_SEED_PASSWORD_FILE"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument("--clients", type=int, default=20, metavar="N", help="how many clients (20)")
    parser.add_argument("--staff", type=int, default=50, metavar="M", help="how many staff each has (50)")
    parser.add_argument("--claims", type=int, default=0, metavar="K", help="how many claims each has (0)")


def run(arguments: argparse.Namespace) -> int:
    """Seed."""
    path = os.environ.get(PASSWORD_FILE)
    if not path:
        raise TwineError(f"Failed to seed: {PASSWORD_FILE} is not set. Let it name a file with the staff's password.")
    try:
        password = Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise TwineError(f"Failed to read the password of the staff: {error}. Correct {PASSWORD_FILE}.") from error
    if not password:
        raise TwineError(f"Failed to seed: {path} is empty. Write a password into it.")
    seeds = Seeds(arguments.clients, arguments.staff, arguments.claims)
    try:
        with connect(read_settings()) as connection, connection.transaction():
            clients, staff, claims = seeds.sow(connection, password)
    except psycopg.Error as error:
        raise TwineError(f"Failed to seed: {error}. Run twine migrate first, or twine check to see more.") from error
    print(f"Added {clients} clients, {staff} staff and {claims} claims.")
    return 0
