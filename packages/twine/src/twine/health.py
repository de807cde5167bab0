"""Whether this process is alive, and whether it can serve."""

from __future__ import annotations

from flask import Flask
from flask.typing import ResponseReturnValue

from twine.services import services
from twine.version import VERSION


def add_health(app: Flask) -> None:
    """Add the routes that a load balancer asks."""
    app.add_url_rule("/health", view_func=health)
    app.add_url_rule("/ready", view_func=ready)


def health() -> ResponseReturnValue:
    """Alive: the process answers, whatever it depends on does."""
    return {"status": "alive", "version": VERSION}


def ready() -> ResponseReturnValue:
    """Ready: what Twine cannot do without answers. Without search it serves, degraded; without fragments, slower."""
    parts = services()
    database, sessions = parts.database.answers(), parts.sessions.answers()
    search, fragments = not parts.search.is_away, parts.fragments.answers()
    is_ready = database and sessions
    return {
        "status": "ready" if is_ready else "not ready",
        "version": VERSION,
        "degraded": not search,
        "dependencies": {
            "database": _word(database),
            "sessions": _word(sessions),
            "search": _word(search),
            "fragments": _word(fragments),
        },
        "caches": {"templates": parts.templates.as_json(), "fragments": parts.fragments.warmth.as_json()},
    }, 200 if is_ready else 503


def _word(answers: bool) -> str:
    return "ok" if answers else "away"
