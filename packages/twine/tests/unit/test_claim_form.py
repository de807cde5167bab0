"""What may be written into a claim."""

from __future__ import annotations

from decimal import Decimal

import pytest
from support import a_claim
from twine.claim_form import read_claim_form
from twine.errors import RefusedError

WRONG = [
    ("reference", None),
    ("reference", ""),
    ("reference", 7),
    ("reference", "-begins-badly"),
    ("reference", "has space"),
    ("reference", "x" * 65),
    ("amount", None),
    ("amount", ""),
    ("amount", "twelve"),
    ("amount", "0"),
    ("amount", "-1"),
    ("amount", "1.005"),
    ("amount", "100000000"),
    ("amount", "NaN"),
    ("amount", "Infinity"),
    ("amount", True),
    ("amount", ["1"]),
    ("currency", "XXX"),
    ("currency", None),
    ("category", "<b>"),
    ("category", "x" * 41),
    ("description", "  "),
    ("description", "x" * 501),
    ("description", "a\0b"),
    ("description", {"a": 1}),
]


@pytest.mark.parametrize(("field", "value"), WRONG)
def test_a_wrong_field_is_named(field: str, value: object) -> None:
    with pytest.raises(RefusedError) as caught:
        read_claim_form({**a_claim(), field: value})

    assert caught.value.status == 400
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("written", "kept"), [("12.5", "12.50"), (" 1,250.00 ", "1250.00"), (7, "7.00"), (Decimal("0.10"), "0.10"), ("99999999.99", "99999999.99")]
)
def test_amounts_are_exact(written: object, kept: str) -> None:
    assert str(read_claim_form({**a_claim(), "amount": written}).amount) == kept


@pytest.mark.parametrize("reference", ["a", "EXP-2026/11_7.b:c", "x" * 64])
def test_references_are_as_people_make_them(reference: str) -> None:
    assert read_claim_form({**a_claim(), "reference": reference}).reference == reference
