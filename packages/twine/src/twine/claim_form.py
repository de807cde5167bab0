"""What a person writes into a claim, and what is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from twine.errors import RefusedError

CURRENCIES = ("GBP", "EUR", "USD", "CHF", "SEK", "NOK", "DKK", "PLN", "JPY", "AUD", "CAD", "INR")
CATEGORIES = (
    ("travel", "Trains, flights, taxis, mileage"),
    ("meals", "Food and drink while travelling or with guests"),
    ("accommodation", "Hotels and other nights away"),
    ("equipment", "Things you need for work"),
    ("training", "Courses, books, conferences"),
    ("other", "Anything else; say what it was"),
)
MOST = Decimal("99999999.99")
LONGEST_DESCRIPTION = 500

_REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,63}")
_CATEGORY = re.compile(r"[a-z0-9][a-z0-9 &/-]{0,39}")


@dataclass(frozen=True, slots=True)
class ClaimForm:
    """A claim that may be filed."""

    reference: str
    amount: Decimal
    currency: str
    category: str
    description: str


def read_claim_form(values: Mapping[str, object]) -> ClaimForm:
    """Read a claim from `values`, or say what is wrong with the first field that is no use."""
    reference = _text(values, "reference")
    if not _REFERENCE.fullmatch(reference):
        raise RefusedError(
            400, "A reference has 1 to 64 letters, digits and . _ : / - and begins with one of the first two.",
            field="reference",
        )
    currency = _text(values, "currency").upper()
    if currency not in CURRENCIES:
        raise RefusedError(400, f"The currency is one of {', '.join(CURRENCIES)}.", field="currency")
    category = _text(values, "category").lower()
    if not _CATEGORY.fullmatch(category):
        raise RefusedError(400, "A category has 1 to 40 letters, digits, spaces and & / -.", field="category")
    description = _text(values, "description")
    if len(description) > LONGEST_DESCRIPTION:
        raise RefusedError(
            400, f"A description has at most {LONGEST_DESCRIPTION} characters, this has {len(description)}.",
            field="description",
        )
    return ClaimForm(reference, _amount(values), currency, category, description)


def _text(values: Mapping[str, object], field: str) -> str:
    value = values.get(field)
    if not isinstance(value, str) or not value.strip():
        raise RefusedError(400, f"Say the {field} of the claim.", field=field)
    if not value.strip().replace("\n", "").replace("\r", "").replace("\t", "").isprintable():
        raise RefusedError(400, f"The {field} holds characters that cannot be shown.", field=field)
    return value.strip()


def _amount(values: Mapping[str, object]) -> Decimal:
    value = values.get("amount")
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise RefusedError(400, "Say the amount of the claim.", field="amount")
    try:
        amount = Decimal(value.strip().replace(",", "") if isinstance(value, str) else value)
    except InvalidOperation as error:
        raise RefusedError(400, "The amount is a number such as 12.50.", field="amount") from error
    if not amount.is_finite() or not 0 < amount <= MOST:
        raise RefusedError(400, f"The amount is more than 0 and at most {MOST:,}.", field="amount")
    if amount != round(amount, 2):
        raise RefusedError(400, "The amount has at most two decimals.", field="amount")
    return round(amount, 2)
