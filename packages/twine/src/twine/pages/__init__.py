"""The pages that people see."""

from __future__ import annotations

from flask import Flask

from twine.pages import claims, overview, search, sign_in, staff
from twine.pages.words import add_words


def add_pages(app: Flask) -> None:
    """Add the routes of all pages."""
    add_words(app)
    for part in (sign_in, overview, claims, search, staff):
        part.add_routes(app)
