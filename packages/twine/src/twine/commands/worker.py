"""twine worker: keep the search index up to date."""

from __future__ import annotations

import argparse
import signal
import threading

from twine.outbox import Outbox
from twine.settings import read_settings


def add_arguments(_parser: argparse.ArgumentParser) -> None:
    """Say what the command takes: nothing."""


def run(_arguments: argparse.Namespace) -> int:
    """Empty the outbox until SIGTERM."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_received: stop.set())
    settings = read_settings()
    if settings.search_url is None:
        print("TWINE_SEARCH_URL is not set: there is no index to keep up to date.")
        return 0
    Outbox(settings).work(stop)
    return 0
