"""The errors of this package."""

from __future__ import annotations


class MachineError(Exception):
    """The machine cannot be configured; the message is the sentence for the console."""


class NotYet(Exception):
    """Something did not work this time and may the next; the message says what was the matter."""
