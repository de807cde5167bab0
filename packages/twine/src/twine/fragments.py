"""Rendered pieces of pages: those for everybody in the image, a client's under the client's own keys in this machine's Redis."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

import redis

from twine.sessions import connect_redis
from twine.settings import Settings
from twine.version import VERSION
from twine.warmth import Warmth

AWAY_SECONDS = 5.0

log = logging.getLogger(__name__)


class FragmentCache:
    """A cache that may be away at any time: then a piece is rendered, and nobody notices but the processor."""

    def __init__(self, settings: Settings) -> None:
        self.redis = connect_redis(settings.fragment_redis_url, 0.25)
        self.warmth = Warmth()
        self._folder = settings.cache_folder / "fragments" / VERSION
        self._common = {path.name: path.read_text(encoding="utf-8") for path in _files(self._folder)}
        self._away_until = 0.0

    def common(self, name: str, render: Callable[[], str]) -> str:
        """Return a piece that is the same for everybody, as long as this version runs."""
        piece = self._common.get(name)
        self.warmth.count(piece is not None)
        if piece is None:
            piece = self._common[name] = render()
        return piece

    def keep(self, name: str, piece: str) -> None:
        """Put a common piece where processes to come begin with it: in the image, at its bake."""
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / name).write_text(piece, encoding="utf-8")

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


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []


def _client_key(client_id: int, name: str) -> str:
    return f"fragment:{VERSION}:client:{client_id}:{name}"
