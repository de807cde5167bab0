"""The outbox: which claims the search index does not yet hold as PostgreSQL does.

An entry is written in the transaction that changes a claim and deleted in the one that has seen it stored. Several
machines empty the outbox at once, each takes what no other has in hand; a machine that dies lets go of its own.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass

import psycopg
from psycopg.rows import class_row

from twine.database import Connection, connect
from twine.errors import TwineError
from twine.search_index import Document, SearchAwayError, SearchIndex
from twine.settings import Settings

BATCH = 500
PAUSE_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 5.0
RETRY_SECONDS = 60
LOOK_SECONDS = 10.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Entry:
    id: int
    claim_id: int


class Outbox:
    """Empties the outbox into the search index."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._index = SearchIndex(settings, seconds=10)
        self._connection: Connection | None = None
        self._look_at = 0.0
        self._is_failing = False

    def work(self, stop: threading.Event) -> None:
        """Empty the outbox until `stop` is set, through any failure of what it depends on."""
        pause = 0.0
        while not stop.wait(pause):
            try:
                pause = 0.0 if self.step() == BATCH else PAUSE_SECONDS
            except (SearchAwayError, psycopg.Error, TwineError) as error:
                pause = min(LONGEST_PAUSE_SECONDS, max(PAUSE_SECONDS, pause * 2))
                self._note(error)
            else:
                self._note(None)
        self.close()

    def step(self) -> int:
        """Put one batch of claims into the index; return how many entries were done with."""
        if time.monotonic() >= self._look_at:
            self._ensure()
        connection = self._connected()
        with connection.transaction():
            entries = _take(connection)
            if entries:
                refused = self._put(connection, [entry.claim_id for entry in entries])
                _settle(connection, entries, refused)
        return len(entries)

    def fill(self) -> int:
        """Enter every claim, and see to it that there is an index; return how many claims there are."""
        connection = self._connected()
        entered = connection.execute("INSERT INTO search_outbox (claim_id) SELECT id FROM claims ORDER BY id").rowcount
        # In this order: an index that is there is one whose claims have been entered.
        if not self._index.exists():
            self._index.create()
        return entered

    def recreate(self) -> int:
        """Delete the index and start over; return how many claims there are."""
        self._index.delete()
        return self.fill()

    def close(self) -> None:
        """Disconnect."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _put(self, connection: Connection, claim_ids: list[int]) -> dict[int, str]:
        documents = _read(connection, claim_ids)
        try:
            return self._index.put(documents)
        except SearchAwayError:
            self._look_at = 0.0
            raise

    def _ensure(self) -> None:
        """See to it that there is an index: a search machine that was replaced comes back empty."""
        if not self._index.exists():
            log.info("There is no search index: %d claims are entered for a new one.", self.fill())
        self._look_at = time.monotonic() + LOOK_SECONDS

    def _connected(self) -> Connection:
        if self._connection is None or self._connection.closed:
            self._connection = connect(self._settings)
        return self._connection

    def _note(self, error: Exception | None) -> None:
        if error is not None and not self._is_failing:
            log.warning("Failed to update the search index, entries are kept: %s.", error)
        elif error is None and self._is_failing:
            log.info("The search index is updated again.")
        self._is_failing = error is not None


def _take(connection: Connection) -> list[_Entry]:
    cursor = connection.cursor(row_factory=class_row(_Entry))
    return cursor.execute(
        """
        SELECT id, claim_id FROM search_outbox WHERE due_at <= now()
        ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED
        """,
        (BATCH,),
    ).fetchall()


def _read(connection: Connection, claim_ids: list[int]) -> list[Document]:
    cursor = connection.cursor(row_factory=class_row(Document))
    return cursor.execute(
        """
        SELECT c.id, c.revision, c.client_id, c.staff_id, c.reference, c.category, c.status, c.description,
               s.name AS staff_name, c.filed_at
        FROM claims c JOIN staff s ON s.client_id = c.client_id AND s.id = c.staff_id
        WHERE c.id = ANY(%s)
        """,
        (claim_ids,),
    ).fetchall()


def _settle(connection: Connection, entries: list[_Entry], refused: dict[int, str]) -> None:
    """Delete what is stored; what was refused is tried again later, so that it holds nothing else up."""
    done = [entry.id for entry in entries if entry.claim_id not in refused]
    connection.execute("DELETE FROM search_outbox WHERE id = ANY(%s)", (done,))
    for claim_id, reason in refused.items():
        log.error("Failed to put claim %d into the search index: %s. It is tried again.", claim_id, reason)
    if refused:
        connection.execute(
            """
            UPDATE search_outbox SET attempts = attempts + 1, due_at = now() + make_interval(secs => %s * (attempts + 1))
            WHERE id = ANY(%s)
            """,
            (RETRY_SECONDS, [entry.id for entry in entries if entry.claim_id in refused]),
        )
