"""A bounded share for each client of something that this machine has little of, such as connections."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class FairShare:
    """At most `limit` holders for a key at any moment; keys do not feel each other."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held: dict[str, int] = {}
        self._changed = threading.Condition()

    def take(self, key: str, patience: float = 0.0) -> bool:
        """Take one of the key's shares, waiting at most `patience` seconds for one to come free."""
        deadline = time.monotonic() + patience
        with self._changed:
            while self._held.get(key, 0) >= self._limit:
                left = deadline - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    return False
            self._held[key] = self._held.get(key, 0) + 1
            return True

    def give_back(self, key: str) -> None:
        """Give one share back."""
        with self._changed:
            left = self._held[key] - 1
            if left:
                self._held[key] = left
            else:
                del self._held[key]
            self._changed.notify_all()

    def held(self, key: str) -> int:
        """Return how many shares the key holds now."""
        with self._changed:
            return self._held.get(key, 0)

    @contextmanager
    def hold(self, key: str, patience: float = 0.0) -> Iterator[bool]:
        """Hold a share for the time of the block; the value says whether one was to be had."""
        taken = self.take(key, patience)
        try:
            yield taken
        finally:
            if taken:
                self.give_back(key)
