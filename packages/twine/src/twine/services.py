"""Everything a request may need, made once in a process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from flask import current_app

from twine.database import Database
from twine.fair_queue import Acquaintances, FairQueue
from twine.fragments import FragmentCache
from twine.machines import Machines
from twine.search import Search
from twine.sessions import SessionStore
from twine.settings import Settings
from twine.throttle import LoginThrottle
from twine.warmth import Warmth

EXTENSION = "twine"
ACQUAINTANCES = 5000


@dataclass(frozen=True, slots=True)
class Services:
    """The parts of a running Twine."""

    settings: Settings
    database: Database
    sessions: SessionStore
    throttle: LoginThrottle
    machines: Machines
    fragments: FragmentCache
    search: Search
    queue: FairQueue
    acquaintances: Acquaintances
    templates: Warmth

    def open(self) -> None:
        """Connect. Called in the process that serves: threads do not survive a fork."""
        self.database.open()
        self.search.watch()
        self.machines.watch(self.queue.allow)

    def close(self) -> None:
        """Disconnect."""
        self.machines.close()
        self.search.close()
        self.database.close()


def make_services(settings: Settings) -> Services:
    """Make the parts; nothing connects yet."""
    database = Database(settings)
    sessions = SessionStore(settings)
    return Services(
        settings=settings,
        database=database,
        sessions=sessions,
        throttle=LoginThrottle(sessions.redis),
        machines=Machines(sessions.redis, settings.client_allowance, settings.client_share),
        fragments=FragmentCache(settings),
        search=Search(settings, database),
        acquaintances=Acquaintances(ACQUAINTANCES),
        templates=Warmth(),
        # No client fills more than half of the room in which requests wait.
        queue=FairQueue(settings.threads, settings.client_share, settings.waiting // 2),
    )


def services() -> Services:
    """Return the parts of the application that handles the current request."""
    return cast(Services, current_app.extensions[EXTENSION])
