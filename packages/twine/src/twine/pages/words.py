"""How pages write amounts, dates and found words."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal

from flask import Flask, render_template
from markupsafe import Markup, escape

from twine.signing_in import current_session

SIGNS = {"GBP": "£", "EUR": "€", "USD": "$", "JPY": "¥"}
STATUS_WORDS = {"filed": "Waiting", "approved": "Approved", "declined": "Declined"}


def add_words(app: Flask) -> None:
    """Add the filters that the templates use."""
    app.jinja_env.filters.update(money=money, day=day, moment=moment, initials=initials, marked=marked)
    app.jinja_env.globals.update(status_words=STATUS_WORDS)


def page(template: str, **values: object) -> str:
    """Render a page for the person who is signed in."""
    session = current_session()
    if session is not None:
        values = {"person": session.person, "form_token": session.form_token, **values}
    return render_template(template, **values)


def money(amount: Decimal, currency: str) -> str:
    """Write an amount: £1,250.00, CHF 80.00."""
    sign = SIGNS.get(currency)
    return f"{sign}{amount:,.2f}" if sign else f"{currency} {amount:,.2f}"


def day(moment: datetime) -> str:
    """Write a date: 4 Mar 2026."""
    return f"{moment.day} {moment:%b %Y}"


def moment(value: datetime) -> str:
    """Write a point in time: 4 Mar 2026, 14:05 UTC."""
    value = value.astimezone(UTC)
    return f"{day(value)}, {value:%H:%M} UTC"


def initials(name: str) -> str:
    """Return the first letters of the first and the last name."""
    names = name.split()
    return "".join(part[0] for part in (names[:1] + names[1:][-1:])).upper()


def marked(text: str, query: str) -> Markup:
    """Escape `text` and mark the words of `query` in it."""
    words = [re.escape(word) for word in re.findall(r"\w+", query)]
    if not words:
        return escape(text)
    pieces = re.split(rf"\b((?:{'|'.join(words)})\w*)", text, flags=re.IGNORECASE)
    return Markup("").join(
        Markup("<mark>{}</mark>").format(piece) if place % 2 else escape(piece) for place, piece in enumerate(pieces)
    )
