"""Expense claims: filed once however often they are sent, listed, and decided by a manager."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal, LiteralString

from twine.claim_form import ClaimForm
from twine.database import Database
from twine.errors import RefusedError
from twine.staff import MANAGER, Person

STATUSES = ("filed", "approved", "declined")
Decision = Literal["approved", "declined"]
MOST_ON_A_PAGE = 200

_COLUMNS: LiteralString = """
    c.id, c.reference, c.amount, c.currency, c.category, c.description, c.status, c.filed_at, c.decided_at,
    c.staff_id, s.name AS staff_name, d.name AS decided_by
"""
_PEOPLE: LiteralString = """
    JOIN staff s ON s.client_id = c.client_id AND s.id = c.staff_id
    LEFT JOIN staff d ON d.client_id = c.client_id AND d.id = c.decided_by
"""
_CLAIMS: LiteralString = "SELECT " + _COLUMNS + " FROM claims c" + _PEOPLE
# Who may see a claim: everybody of the client who is a manager, and the one who filed it. Takes `_seer` of a person.
_SEEN_CLAIMS: LiteralString = _CLAIMS + " WHERE c.client_id = %s AND (%s OR c.staff_id = %s)"


@dataclass(frozen=True, slots=True)
class Claim:
    """An expense claim as its client sees it."""

    id: int
    reference: str
    amount: Decimal
    currency: str
    category: str
    description: str
    status: str
    filed_at: datetime
    decided_at: datetime | None
    staff_id: int
    staff_name: str
    decided_by: str | None

    def as_json(self) -> dict[str, object]:
        """Return what the API says about a claim; the amount is a string, for exactness."""
        return {
            "id": self.id,
            "reference": self.reference,
            "amount": str(self.amount),
            "currency": self.currency,
            "category": self.category,
            "description": self.description,
            "status": self.status,
            "filed_at": self.filed_at.isoformat(),
            "decided_at": self.decided_at.isoformat() if self.decided_at else None,
            "decided_by": self.decided_by,
            "staff": {"id": self.staff_id, "name": self.staff_name},
        }

    def holds(self, form: ClaimForm, person: Person) -> bool:
        """Say whether this claim is what `person` asks for in `form`."""
        return (self.staff_id, self.amount, self.currency, self.category, self.description) == (
            person.id,
            form.amount,
            form.currency,
            form.category,
            form.description,
        )


def file_claim(database: Database, person: Person, form: ClaimForm) -> tuple[Claim, bool]:
    """File a claim; return it, and whether it is new.

    The claim and its entry in the outbox of the search index are one statement, so one transaction. The reference
    is unique within a client: sent again, the claim that is there is returned, unless its content differs.
    """
    filed = database.fetch_one(
        person.share,
        Claim,
        """
        WITH c AS (
            INSERT INTO claims (client_id, staff_id, reference, amount, currency, category, description)
            VALUES (%s, %s, %s, %s, %s, %s, %s)
            ON CONFLICT (client_id, reference) DO NOTHING
            RETURNING *
        ), queued AS (
            INSERT INTO search_outbox (claim_id) SELECT id FROM c
        )
        SELECT """
        + _COLUMNS
        + " FROM c"
        + _PEOPLE,
        person.client_id,
        person.id,
        form.reference,
        form.amount,
        form.currency,
        form.category,
        form.description,
    )
    if filed is not None:
        return filed, True
    return _filed_before(database, person, form), False


def _filed_before(database: Database, person: Person, form: ClaimForm) -> Claim:
    earlier = database.fetch_one(
        person.share,
        Claim,
        _CLAIMS + " WHERE c.client_id = %s AND c.reference = %s",
        person.client_id,
        form.reference,
    )
    if earlier is None or not earlier.holds(form, person):
        raise RefusedError(
            409, f"Another claim has the reference {form.reference} already. Choose another one.", field="reference"
        )
    return earlier


def get_claim(database: Database, person: Person, claim_id: int) -> Claim:
    """Return one claim that `person` may see."""
    claim = database.fetch_one(
        person.share,
        Claim,
        _SEEN_CLAIMS + " AND c.id = %s",
        *_seer(person),
        claim_id,
    )
    if claim is None:
        raise RefusedError(404, "There is no such claim.")
    return claim


def list_claims(
    database: Database, person: Person, *, limit: int = 50, before: int | None = None, status: str | None = None
) -> list[Claim]:
    """Return the claims that `person` may see, newest first, at most `limit`, with an id below `before`."""
    query, values = _SEEN_CLAIMS, list[object](_seer(person))
    if before is not None:
        query += " AND c.id < %s"
        values.append(before)
    if status is not None:
        query += " AND c.status = %s"
        values.append(status)
    return database.fetch_all(
        person.share,
        Claim,
        query + " ORDER BY c.id DESC LIMIT %s",
        *values,
        min(limit, MOST_ON_A_PAGE),
    )


def claims_by_id(database: Database, person: Person, ids: list[int]) -> list[Claim]:
    """Return those of the claims `ids` that `person` may see, in the order of `ids`."""
    return database.fetch_all(
        person.share,
        Claim,
        _SEEN_CLAIMS + " AND c.id = ANY(%s) ORDER BY array_position(%s::bigint[], c.id)",
        *_seer(person),
        ids,
        ids,
    )


def find_claims(database: Database, person: Person, text: str, limit: int) -> list[Claim]:
    """Return the claims that `person` may see and in which each word of `text` begins a word.

    The one with `text` for its reference comes first, then the newest.
    """
    words = re.findall(r"\w+", text)
    if not words:
        return []
    return database.fetch_all(
        person.share,
        Claim,
        _SEEN_CLAIMS
        + " AND (c.words @@ to_tsquery('simple', %s) OR s.name ILIKE %s)"
        + " ORDER BY c.reference = %s DESC, c.id DESC LIMIT %s",
        *_seer(person),
        " & ".join(f"{word}:*" for word in words),
        "%" + " ".join(words).replace("_", r"\_") + "%",
        text,
        limit,
    )


def decide_claim(database: Database, person: Person, claim_id: int, decision: Decision) -> Claim:
    """Approve or decline a claim; doing the same again changes nothing. The role is asked of the database anew."""
    if not person.is_manager:
        raise RefusedError(403, "Only a manager decides about claims.")
    decided = database.fetch_one(
        person.share,
        Claim,
        """
        WITH c AS (
            UPDATE claims SET status = %s, decided_at = now(), decided_by = m.id, revision = revision + 1
            FROM staff m
            WHERE m.client_id = claims.client_id AND m.id = %s AND m.role = %s
              AND claims.client_id = %s AND claims.id = %s AND claims.status = 'filed'
            RETURNING claims.*
        ), queued AS (
            INSERT INTO search_outbox (claim_id) SELECT id FROM c
        )
        SELECT """
        + _COLUMNS
        + " FROM c"
        + _PEOPLE,
        decision,
        person.id,
        MANAGER,
        person.client_id,
        claim_id,
    )
    if decided is not None:
        return decided
    claim = get_claim(database, person, claim_id)
    if claim.status == "filed":
        raise RefusedError(403, "Only a manager decides about claims.")
    if claim.status != decision:
        raise RefusedError(409, f"This claim is {claim.status} already.")
    return claim


def _seer(person: Person) -> tuple[object, ...]:
    return person.client_id, person.is_manager, person.id
