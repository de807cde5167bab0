"""The directory."""

from __future__ import annotations

from flask import Flask, render_template
from flask.typing import ResponseReturnValue
from markupsafe import Markup

from twine.pages.words import page
from twine.services import services
from twine.signing_in import for_pages
from twine.staff import Person, list_staff

DIRECTORY = "directory"
DIRECTORY_SECONDS = 60


def add_routes(app: Flask) -> None:
    """Add the routes."""
    app.add_url_rule("/staff", view_func=for_pages(staff), endpoint="staff")


def staff(person: Person) -> ResponseReturnValue:
    """Show everybody who works for the client."""
    parts = services()

    def render() -> str:
        return render_template("directory.html", staff=list_staff(parts.database, person))

    directory = parts.fragments.of_client(person.client_id, DIRECTORY, DIRECTORY_SECONDS, render)
    return page("staff.html", directory=Markup(directory))
