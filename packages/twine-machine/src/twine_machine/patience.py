"""Trying again, but not forever."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TypeVar

from twine_machine.errors import MachineError, NotYet

Value = TypeVar("Value")

FIRST_PAUSE = 0.1
LONGEST_PAUSE = 3.0


def say(sentence: str) -> None:
    """Tell the journal and the console."""
    print(f"machine-config: {sentence}", file=sys.stderr, flush=True)


class Patience:
    """One span of time that all attempts of a run share."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    def insist(self, what: str, remedy: str, attempt: Callable[[float], Value]) -> Value:
        """Call `attempt` until it does not raise NotYet; it gets the seconds that it may take, more each time.

        Each reason is said when it is first met, so that a console shows what is being waited for.
        """
        pause, span, said = FIRST_PAUSE, 1.0, ""
        while True:
            try:
                return attempt(max(0.1, min(span, self._end - time.monotonic())))
            except NotYet as reason:
                if time.monotonic() + pause >= self._end:
                    raise MachineError(f"Failed to {what} within {self.seconds:g} s: {reason}. {remedy}") from None
                if said != str(reason):
                    said = str(reason)
                    say(f"waiting to {what}: {reason}")
            time.sleep(pause)
            pause, span = min(pause * 2, LONGEST_PAUSE), span * 2
