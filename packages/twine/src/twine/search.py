"""Search: by Elasticsearch while it answers, by PostgreSQL while it does not, and the person is told which."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass

from twine.claims import Claim, claims_by_id, find_claims
from twine.database import Database
from twine.search_index import SearchAwayError, SearchIndex
from twine.settings import Settings
from twine.staff import Person

NOTICE = "Search is limited at the moment: only whole words and beginnings of words are found."
PATIENCE_SECONDS = 3.0
FAILURES_TO_REST = 3
AWAY_SECONDS = 5.0
PROBE_SECONDS = 10.0
LONGEST_QUERY = 200

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a search found, and whether it was found the lesser way."""

    results: list[Claim]
    degraded: bool

    @property
    def notice(self) -> str | None:
        """Return the sentence to show when the search was degraded."""
        return NOTICE if self.degraded else None


class Search:
    """Finds claims. When Elasticsearch has failed several times in a row, the next requests do not wait for it."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._database = database
        self._index = SearchIndex(settings, seconds=PATIENCE_SECONDS)
        self._is_configured = settings.search_url is not None
        self._away_until = 0.0
        self._failures = 0
        self._stop = threading.Event()
        self.is_away = not self._is_configured

    def find(self, person: Person, text: str, limit: int = 20) -> Answer:
        """Return the claims that `person` may see and that match `text`."""
        text = text.strip()[:LONGEST_QUERY]
        if not text:
            return Answer([], degraded=False)
        if self._is_configured and time.monotonic() >= self._away_until:
            try:
                ids = self._index.find(person, text, limit)
            except SearchAwayError as error:
                self._note(error)
            else:
                self._note(None)
                return Answer(claims_by_id(self._database, person, ids) if ids else [], degraded=False)
        return Answer(find_claims(self._database, person, text, limit), degraded=True)

    def watch(self) -> None:
        """Load the client and probe the index now and then, beside the requests."""
        if self._is_configured:
            threading.Thread(target=self._probe, name="search-watch", daemon=True).start()

    def answers(self) -> bool:
        """Ask the index now whether it is there."""
        try:
            there = self._index.exists()
        except SearchAwayError as error:
            self._note(error)
            return False
        self._note(None if there else SearchAwayError("the index is not there yet"))
        return there

    def close(self) -> None:
        """Stop probing."""
        self._stop.set()

    def _probe(self) -> None:
        while True:
            self.answers()
            if self._stop.wait(PROBE_SECONDS):
                return

    def _note(self, error: SearchAwayError | None) -> None:
        if error is None:
            if self.is_away:
                log.info("Search is back.")
            self.is_away, self._failures, self._away_until = False, 0, 0.0
            return
        self._failures += 1
        if self._failures >= FAILURES_TO_REST:
            self._away_until = time.monotonic() + AWAY_SECONDS
        if not self.is_away:
            log.warning("Search is away, PostgreSQL answers in its place: %s.", error)
        self.is_away = True
