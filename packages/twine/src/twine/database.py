"""PostgreSQL, the truth: a small pool in which no client takes every connection, and which outlives a restart."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, ClassVar, LiteralString, TypeVar

import psycopg
from psycopg.rows import class_row
from psycopg_pool import ConnectionPool, PoolTimeout

from twine.connection import connection_arguments
from twine.errors import UnavailableError
from twine.fair_share import FairShare
from twine.rotation import is_refusal, other_arguments
from twine.settings import Settings

Row = TypeVar("Row")
Result = TypeVar("Result")
Connection = psycopg.Connection[Any]

STATEMENT_SECONDS = 10
PATIENCE_SECONDS = 3.0
PATIENCE_WHEN_AWAY_SECONDS = 0.2
AWAY_SECONDS = 2.0
GROWN_UP_SECONDS = 10.0

log = logging.getLogger(__name__)


def connect(settings: Settings) -> Connection:
    """Open one connection outside any pool, in autocommit mode: for commands."""
    return _rotating(settings).connect(autocommit=True, prepare_threshold=None)


def _rotating(settings: Settings) -> type[Connection]:
    """Return a connection class that reads the secret for every new connection.

    When the database refuses it, the one that was accepted last is tried: the machine may have the new password before the
    database has it. Then the machine is asked for the secret of now, and that is tried.
    """

    class RotatingConnection(psycopg.Connection[Any]):
        accepted: ClassVar[dict[str, Any]] = {}

        @classmethod
        def connect(cls, conninfo: str = "", **kwargs: Any) -> Any:
            refused = connection_arguments(settings)
            candidates = [refused, *([cls.accepted] if cls.accepted not in ({}, refused) else [])]
            while True:
                arguments = candidates.pop(0)
                try:
                    connection = super().connect(conninfo, **{**kwargs, **arguments})
                except psycopg.OperationalError as error:
                    if not is_refusal(error):
                        raise
                    if not candidates:
                        other = other_arguments(settings, refused)
                        if other is None:
                            raise
                        refused = other
                        candidates = [other]
                else:
                    cls.accepted = arguments
                    return connection

    return RotatingConnection


class Database:
    """Queries of one statement each, in autocommit mode; a statement with several writes is one transaction."""

    def __init__(self, settings: Settings) -> None:
        size = settings.database_pool
        self._attempts = size + 1
        self._shares = FairShare(max(1, size - 1))
        self._away_until = 0.0
        self.answered_at = 0.0
        self._pool: ConnectionPool = ConnectionPool(
            connection_class=_rotating(settings),
            # A pooler in transaction mode may stand in between: it cannot keep prepared statements.
            kwargs={
                "autocommit": True,
                "prepare_threshold": None,
                "options": f"-c statement_timeout={STATEMENT_SECONDS}s",
            },
            min_size=min(2, size),
            max_size=size,
            # The pool doubles its wait between attempts: give up soon, the next request starts over.
            reconnect_timeout=GROWN_UP_SECONDS,
            num_workers=1,
            name="twine",
            open=False,
        )

    def open(self) -> None:
        """Start connecting, without waiting for it."""
        self._pool.open(wait=False)

    def close(self) -> None:
        """Close every connection."""
        self._pool.close(timeout=1)

    def fetch_all(self, client: str, row: type[Row], query: LiteralString, *values: object) -> list[Row]:
        """Run one statement for `client` and return its rows as `row`."""
        return self.run(client, lambda c: c.cursor(row_factory=class_row(row)).execute(query, values).fetchall())

    def fetch_one(self, client: str, row: type[Row], query: LiteralString, *values: object) -> Row | None:
        """Run one statement for `client` and return its first row as `row`, or None."""
        return self.run(client, lambda c: c.cursor(row_factory=class_row(row)).execute(query, values).fetchone())

    def answers(self) -> bool:
        """Say whether the database answers; what was heard within the last two seconds counts."""
        if time.monotonic() - self.answered_at < AWAY_SECONDS:
            return True
        try:
            self.run("ready", lambda connection: connection.execute("SELECT 1"))
        except UnavailableError:
            return False
        return True

    def run(self, client: str, work: Callable[[Connection], Result]) -> Result:
        """Give `work` a connection out of `client`'s share.

        A connection that turns out dead is replaced and the work repeated: every statement of Twine may be.
        """
        patience = PATIENCE_WHEN_AWAY_SECONDS if time.monotonic() < self._away_until else PATIENCE_SECONDS
        with self._shares.hold(client, patience) as taken:
            if not taken:
                raise UnavailableError("database")
            for _turn in range(self._attempts):
                connection = self._take(patience)
                try:
                    result = work(connection)
                except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                    log.warning("Failed to query the database: %s.", error)
                    if not connection.closed:
                        raise UnavailableError("database") from error
                else:
                    self.answered_at = time.monotonic()
                    return result
                finally:
                    self._pool.putconn(connection)
        raise UnavailableError("database")

    def _take(self, patience: float) -> Connection:
        try:
            return self._pool.getconn(timeout=patience)
        except PoolTimeout as error:
            self._away_until = time.monotonic() + AWAY_SECONDS
            raise UnavailableError("database") from error
