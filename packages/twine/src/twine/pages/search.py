"""Searching claims in a browser."""

from __future__ import annotations

from flask import Flask, request
from flask.typing import ResponseReturnValue

from twine.pages.words import page
from twine.services import services
from twine.signing_in import for_pages
from twine.staff import Person


def add_routes(app: Flask) -> None:
    """Add the routes."""
    app.add_url_rule("/search", view_func=for_pages(search), endpoint="search")


def search(person: Person) -> ResponseReturnValue:
    """Show what was found."""
    query = request.args.get("q", "").strip()
    answer = services().search.find(person, query) if query else None
    return page("search.html", query=query, answer=answer)
