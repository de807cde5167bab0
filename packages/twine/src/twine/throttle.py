"""Guessing passwords is slow: failures are counted for an account from one address, and for the account at all."""

from __future__ import annotations

import hashlib

import redis

from twine.errors import RefusedError, UnavailableError

WINDOW_SECONDS = 900
FAILURES_FROM_ONE_ADDRESS = 10
FAILURES_AT_ALL = 50


class LoginThrottle:
    """Counters in the shared Redis, so that trying another machine is no use."""

    def __init__(self, store: redis.Redis) -> None:
        self._redis = store

    def check(self, client: str, email: str, address: str) -> None:
        """Refuse when too many passwords were wrong already."""
        limits = (FAILURES_FROM_ONE_ADDRESS, FAILURES_AT_ALL)
        names = _names(client, email, address)
        try:
            counts = self._redis.mget(names)
            if not any(int(count or 0) >= limit for count, limit in zip(counts, limits, strict=True)):
                return
            wait = max(1, *(self._redis.ttl(name) for name in names))
        except redis.RedisError as error:
            raise UnavailableError("sessions") from error
        raise RefusedError(429, "Too many wrong passwords for this account. Try again later.", retry_after=wait)

    def count_failure(self, client: str, email: str, address: str) -> None:
        """Remember a wrong password."""
        try:
            with self._redis.pipeline(transaction=False) as pipeline:
                for name in _names(client, email, address):
                    pipeline.incr(name)
                    pipeline.expire(name, WINDOW_SECONDS)
                pipeline.execute()
        except redis.RedisError as error:
            raise UnavailableError("sessions") from error


def _names(client: str, email: str, address: str) -> list[str]:
    account = f"{client}\n{email.lower()}"
    return [f"login:{hashlib.sha256(part.encode()).hexdigest()}" for part in (f"{account}\n{address}", account)]
