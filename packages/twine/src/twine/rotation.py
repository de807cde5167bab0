"""A password that is changed while Twine runs: who is refused asks the machine for the secret of now, and tries with that."""

from __future__ import annotations

import time
from typing import Any

from twine.connection import connection_arguments
from twine.errors import TwineError
from twine.settings import Settings

# PostgreSQL's and its poolers' own words: a refused connection carries no code that libpq hands on.
REFUSED = "authentication failed"
# No longer than a request waits for a connection.
PATIENCE_SECONDS = 3.0
ASK_AGAIN_SECONDS = 1.0
LOOK_SECONDS = 0.05
ASK = "secrets"
# A machine gives up fetching after twenty seconds.
FETCH_SECONDS = 25.0


def is_refusal(error: Exception) -> bool:
    """Say whether the database knows us no more, rather than being away."""
    return REFUSED in str(error)


def other_arguments(settings: Settings, refused: dict[str, Any], seconds: float = PATIENCE_SECONDS) -> dict[str, Any] | None:
    """Return the connection's arguments as soon as they are others than the `refused` ones; None when they stay the same."""
    deadline = time.monotonic() + seconds
    ask_at = 0.0
    while time.monotonic() < deadline:
        try:
            arguments = connection_arguments(settings)
        except TwineError:
            arguments = refused
        if arguments != refused:
            return arguments
        if time.monotonic() >= ask_at:
            ask_for_secrets(settings)
            ask_at = time.monotonic() + ASK_AGAIN_SECONDS
        time.sleep(LOOK_SECONDS)
    return None


def fetch_again(settings: Settings) -> None:
    """Have the machine fetch its secrets, and wait until it has; a machine that fetches none has those of now."""
    if not settings.asks_folder.is_dir():
        return
    folder = settings.secrets.folders[0]
    before = folder.stat().st_mtime_ns
    ask_for_secrets(settings)
    deadline = time.monotonic() + FETCH_SECONDS
    # The folder's time says when they were fetched last, changed or not.
    while folder.stat().st_mtime_ns == before:
        if time.monotonic() >= deadline:
            raise TwineError(
                f"Failed to learn the secrets of now: the machine has not fetched them within {FETCH_SECONDS:g} s. "
                "See journalctl -u machine-refresh, and start twine-migrate.service again."
            )
        time.sleep(LOOK_SECONDS)


def ask_for_secrets(settings: Settings) -> None:
    """Ask the machine to fetch its secrets again: machine-refresh.path watches the folder. A machine without it is not asked."""
    if settings.asks_folder.is_dir():
        try:
            (settings.asks_folder / ASK).touch()
        except OSError:
            return
