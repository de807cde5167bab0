"""Rendered pieces of pages in this machine's own Redis. A client's pieces are kept under the client's own keys."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import redis

from twine.sessions import connect_redis
from twine.settings import Settings
from twine.version import VERSION

AWAY_SECONDS = 5.0

log = logging.getLogger(__name__)


class FragmentCache:
    """A cache that may be away at any time: then a piece is rendered, and nobody notices but the processor."""

    def __init__(self, settings: Settings) -> None:
        self.redis = connect_redis(settings.fragment_redis_url, 0.25)
        self._away_until = 0.0

    def common(self, name: str, seconds: int, render: Callable[[], str]) -> str:
        """Return a piece that is the same for everybody."""
        return self._piece(f"fragment:{VERSION}:common:{name}", seconds, render)

    def of_client(self, client_id: int, name: str, seconds: int, render: Callable[[], str]) -> str:
        """Return a piece that belongs to one client."""
        return self._piece(_client_key(client_id, name), seconds, render)

    def forget(self, client_id: int, name: str) -> None:
        """Drop a client's piece because what it shows has changed."""
        if time.monotonic() >= self._away_until:
            try:
                self.redis.delete(_client_key(client_id, name))
            except redis.RedisError as error:
                self._rest(error)

    def answers(self) -> bool:
        """Say whether this machine's Redis answers."""
        try:
            return bool(self.redis.ping())
        except redis.RedisError:
            return False

    def _piece(self, key: str, seconds: int, render: Callable[[], str]) -> str:
        if time.monotonic() < self._away_until:
            return render()
        try:
            cached: bytes | None = self.redis.get(key)
            if cached is not None:
                return cached.decode()
            piece = render()
            self.redis.set(key, piece, ex=seconds)
        except redis.RedisError as error:
            self._rest(error)
            return render()
        return piece

    def _rest(self, error: redis.RedisError) -> None:
        self._away_until = time.monotonic() + AWAY_SECONDS
        log.warning("The fragment cache is away, pages are rendered without it: %s.", error)


def _client_key(client_id: int, name: str) -> str:
    return f"fragment:{VERSION}:client:{client_id}:{name}"
