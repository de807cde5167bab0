"""What the first page adds up."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from twine.database import Database
from twine.staff import Person

SUMMARY = "summary"
SUMMARY_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Sum:
    """How many claims of one status and currency there are, and what they come to."""

    status: str
    currency: str
    claims: int
    amount: Decimal


def summarise(database: Database, person: Person) -> dict[str, list[Sum]]:
    """Add up the claims that `person` may see by status; the largest sum of each status comes first."""
    rows = database.fetch_all(
        person.share,
        Sum,
        """
        SELECT status, currency, count(*) AS claims, sum(amount) AS amount FROM claims
        WHERE client_id = %s AND (%s OR staff_id = %s)
        GROUP BY status, currency ORDER BY amount DESC, currency
        """,
        person.client_id,
        person.is_manager,
        person.id,
    )
    return {status: [row for row in rows if row.status == status] for status in ("filed", "approved", "declined")}
