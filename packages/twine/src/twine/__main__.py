"""The command `twine`."""

from __future__ import annotations

import argparse
import importlib
import logging
import sys
from collections.abc import Sequence

from twine.errors import TwineError

COMMANDS = {
    "serve": "answer requests",
    "worker": "keep the search index up to date",
    "check": "say whether everything Twine depends on answers",
    "warm": "do now what the first requests would wait for",
    "migrate": "bring the database schema to this version's revision",
    "seed": "add demonstration clients and staff",
    "reindex": "put every claim into the search index again",
    "version": "print the version",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Only its own module is loaded: a small machine feels every import."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(prog="twine", description="Twine: staff, expense claims and search.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, does in COMMANDS.items():
        one = commands.add_parser(name, help=does, description=f"{does[0].upper()}{does[1:]}.")
        if words[:1] == [name]:
            importlib.import_module(f"twine.commands.{name}").add_arguments(one)
    parsed = parser.parse_args(words)
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
    # The client logs every call; what fails is said by who asked.
    logging.getLogger("elastic_transport").setLevel(logging.ERROR)
    try:
        return int(importlib.import_module(f"twine.commands.{parsed.command}").run(parsed))
    except TwineError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
