"""twine reindex: put every claim into the search index again."""

from __future__ import annotations

import argparse
from collections.abc import Callable

import psycopg

from twine.errors import TwineError
from twine.outbox import Outbox
from twine.search_index import SearchAwayError
from twine.settings import read_settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument("--recreate", action="store_true", help="delete the index first; searches are degraded meanwhile")


def run(arguments: argparse.Namespace) -> int:
    """Enter every claim into the outbox and empty it, beside the workers."""
    outbox = Outbox(read_settings())
    enter: Callable[[], int] = outbox.recreate if arguments.recreate else outbox.fill
    try:
        entered = enter()
        done = 0
        while step := outbox.step():
            done += step
            print(f"{done} of {entered} claims", flush=True)
    except (SearchAwayError, psycopg.Error) as error:
        raise TwineError(
            f"Failed to fill the search index: {error}. What is entered stays so: the worker goes on when it is back."
        ) from error
    finally:
        outbox.close()
    print(f"The search index holds {entered} claims.")
    return 0
