"""A client's allowance belongs to the client: as many requests at once on ten machines as on two.

Each machine that serves says so in the Redis that all share, counts the others there, and grants its part of the
allowance. This happens beside the requests, which cost nothing more. While Redis is away the last count holds.
"""

from __future__ import annotations

import logging
import secrets as random
import threading
from collections.abc import Callable

import redis

NAME = "machines"
BEAT_SECONDS = 2.0
GONE_SECONDS = 10

log = logging.getLogger(__name__)


def part_of(allowance: int, machines: int, place: int, most: int) -> int:
    """Return what the machine in this `place` (from 0) grants: the parts are equal, the first machines take what is over.

    None grants less than one, so that a client of many machines is served by each, or more than the `most` that it bears.
    """
    part = allowance // machines + (place < allowance % machines)
    return max(1, min(part, most))


class Machines:
    """The machines that serve now, each known by a name of its own and the time it was heard of last."""

    def __init__(self, store: redis.Redis, allowance: int, most: int) -> None:
        self._redis = store
        self._allowance = allowance
        self._most = most
        self._me = random.token_hex(8)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._is_away = False

    def watch(self, grant: Callable[[int], None]) -> None:
        """Say now and then, beside the requests, that this machine serves, and grant what is its part then."""
        self._thread = threading.Thread(target=self._run, args=[grant], name="machines-watch", daemon=True)
        self._thread.start()

    def part(self) -> int | None:
        """Say once that this machine serves; return its part of the allowance, or None while Redis is away."""
        try:
            names = self._heard_of()
        except redis.RedisError as error:
            if not self._is_away:
                log.warning("The shared Redis is away, clients keep the share that they had: %s.", error)
            self._is_away = True
            return None
        self._is_away = False
        return part_of(self._allowance, len(names), names.index(self._me), self._most)

    def close(self) -> None:
        """Say that this machine serves no more."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(BEAT_SECONDS)
        try:
            self._redis.zrem(NAME, self._me)
        except redis.RedisError as error:
            log.info("The others will notice by themselves that this machine is gone: %s.", error)

    def _heard_of(self) -> list[str]:
        # By the time of Redis: the machines' own clocks may differ.
        now, _microseconds = self._redis.time()
        with self._redis.pipeline() as pipeline:
            pipeline.zadd(NAME, {self._me: now})
            pipeline.zremrangebyscore(NAME, "-inf", now - GONE_SECONDS)
            pipeline.expire(NAME, 2 * GONE_SECONDS)
            pipeline.zrange(NAME, 0, -1)
            names: list[bytes] = pipeline.execute()[-1]
        return sorted(name.decode() for name in names)

    def _run(self, grant: Callable[[int], None]) -> None:
        while not self._stop.is_set():
            part = self.part()
            if part is not None:
                grant(part)
            self._stop.wait(BEAT_SECONDS)
