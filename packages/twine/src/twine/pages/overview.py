"""The first page: how things stand."""

from __future__ import annotations

from flask import Flask, render_template
from flask.typing import ResponseReturnValue
from markupsafe import Markup

from twine.claims import list_claims
from twine.dashboard import SUMMARY, SUMMARY_SECONDS, summarise
from twine.pages.words import page
from twine.services import services
from twine.signing_in import for_pages
from twine.staff import Person

RECENT = 6


def add_routes(app: Flask) -> None:
    """Add the routes."""
    app.add_url_rule("/", view_func=for_pages(overview), endpoint="overview")


def overview(person: Person) -> ResponseReturnValue:
    """Show sums and the latest claims; a manager also sees what waits for a decision."""
    parts = services()

    def render() -> str:
        return render_template("summary.html", sums=summarise(parts.database, person))

    if person.is_manager:
        summary = parts.fragments.of_client(person.client_id, SUMMARY, SUMMARY_SECONDS, render)
        claims = list_claims(parts.database, person, limit=RECENT, status="filed")
    else:
        summary = render()
        claims = list_claims(parts.database, person, limit=RECENT)
    return page("overview.html", summary=Markup(summary), claims=claims)
