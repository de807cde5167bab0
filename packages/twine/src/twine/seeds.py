"""What `twine seed` sows: names and claims that look like the real thing and are the same each time."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from twine.database import Connection
from twine.staff import hash_password, verify_password

COMPANIES = (
    "Harbour & Finch", "Northlight Studios", "Merrow Foods", "Calder Engineering", "Bright Fields Trust",
    "Tallis Logistics", "Oakhurst Clinics", "Penrose Books", "Linden Architects", "Saltmarsh Energy",
    "Quayside Hotels", "Fernhill Dairy", "Ravensbourne Press", "Copperfield Bank", "Juniper Travel",
    "Stonebridge Schools", "Willow & Vane", "Arkwright Textiles", "Heather Optics", "Kestrel Aviation",
)
FIRST_NAMES = (
    "Amara", "Ben", "Chloe", "Dev", "Elena", "Finn", "Grace", "Hamza", "Isla", "Jonas", "Keiko", "Liam", "Maya",
    "Noah", "Olga", "Priya", "Quentin", "Rosa", "Samir", "Tessa", "Uma", "Victor", "Wanda", "Xavier", "Yusuf", "Zoe",
)
LAST_NAMES = (
    "Adeyemi", "Brooks", "Castillo", "Dunne", "Eriksson", "Farouk", "Green", "Hughes", "Ivanova", "Jensen", "Khan",
    "Larsen", "Moreau", "Novak", "Okafor", "Patel", "Quinn", "Rossi", "Schmidt", "Taylor", "Usman", "Vega", "Walsh",
)
TITLES = ("Accountant", "Designer", "Engineer", "Nurse", "Planner", "Sales", "Support", "Writer")
EXPENSES = (
    ("travel", "Train to the client meeting in Leeds"), ("meals", "Lunch with the visitors from Oslo"),
    ("accommodation", "Two nights near the trade fair"), ("equipment", "Keyboard and a laptop stand"),
    ("training", "Course on accessible documents"), ("travel", "Taxi to the airport, very early"),
    ("meals", "Team breakfast after the release"), ("other", "Flowers for the reception"),
)
CURRENCIES = ("GBP", "GBP", "GBP", "EUR")


@dataclass(frozen=True, slots=True)
class Seeds:
    """How much to sow."""

    clients: int
    staff: int
    claims: int

    def sow(self, connection: Connection, password: str) -> tuple[int, int, int]:
        """Add what is missing; return how many clients, staff and claims that were."""
        return self._clients(connection), self._staff(connection, password), self._claims(connection)

    def slugs(self) -> list[str]:
        """Return the clients' short names."""
        return [f"client-{number}" for number in range(1, self.clients + 1)]

    def _clients(self, connection: Connection) -> int:
        names = [_numbered(COMPANIES, index) for index in range(self.clients)]
        return connection.execute(
            """
            INSERT INTO clients (slug, name) SELECT * FROM unnest(%s::text[], %s::text[])
            ON CONFLICT (slug) DO NOTHING
            """,
            (self.slugs(), names),
        ).rowcount

    def _staff(self, connection: Connection, password: str) -> int:
        rows = [
            (slug, f"staff-{number}@{slug}.example", _name(place, number), _title(number), _role(number))
            for place, slug in enumerate(self.slugs())
            for number in range(1, self.staff + 1)
        ]
        columns = [list(column) for column in zip(*rows, strict=True)] or [[]] * 5
        added = connection.execute(
            """
            INSERT INTO staff (client_id, email, name, title, role, password_hash)
            SELECT c.id, s.email, s.name, s.title, s.role, %s
            FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[]) AS s (slug, email, name, title, role)
            JOIN clients c ON c.slug = s.slug
            ON CONFLICT (client_id, email) DO NOTHING
            """,
            ("", *columns),
        ).rowcount
        self._set_password(connection, password, columns[1])
        return added

    def _set_password(self, connection: Connection, password: str, emails: list[str]) -> None:
        """Give all of them the password under one hash, which is slow to make; leave a right one alone."""
        wrong = "SELECT DISTINCT password_hash FROM staff WHERE email = ANY(%s)"
        hashes = [row[0] for row in connection.execute(wrong, (emails,)).fetchall()]
        if len(hashes) != 1 or not verify_password(hashes[0], password):
            connection.execute(
                "UPDATE staff SET password_hash = %s WHERE email = ANY(%s)", (hash_password(password), emails)
            )

    def _claims(self, connection: Connection) -> int:
        """Add claims; of every four two wait, one is approved and one, sometimes, declined."""
        return connection.execute(
            """
            WITH wanted AS (
                SELECT c.id AS client_id, n, e.category, e.description, cu.currency,
                       (SELECT s.id FROM staff s WHERE s.client_id = c.id
                        ORDER BY s.id OFFSET (n * 7) %% greatest(%s, 1) LIMIT 1) AS staff_id,
                       (SELECT min(s.id) FROM staff s WHERE s.client_id = c.id AND s.role = 'manager') AS manager_id
                FROM clients c
                CROSS JOIN generate_series(1, %s) n
                JOIN unnest(%s::text[], %s::text[]) WITH ORDINALITY AS e (category, description, place)
                  ON e.place = 1 + n %% %s
                JOIN unnest(%s::text[]) WITH ORDINALITY AS cu (currency, place) ON cu.place = 1 + n %% %s
                WHERE c.slug = ANY(%s)
            ), added AS (
                INSERT INTO claims (client_id, staff_id, reference, amount, currency, category, description,
                                    status, filed_at, decided_at, decided_by)
                SELECT client_id, staff_id, 'seed-' || n, %s + (n * 137) %% 400 + (n %% 4) * 0.25, currency, category,
                       description,
                       CASE n %% 8 WHEN 1 THEN 'approved' WHEN 3 THEN 'approved' WHEN 5 THEN 'declined' ELSE 'filed' END,
                       now() - make_interval(hours => (%s - n) * 5),
                       CASE WHEN n %% 8 IN (1, 3, 5) THEN now() - make_interval(hours => (%s - n) * 5 - 2) END,
                       CASE WHEN n %% 8 IN (1, 3, 5) THEN manager_id END
                FROM wanted ORDER BY n
                ON CONFLICT (client_id, reference) DO NOTHING
                RETURNING id
            )
            INSERT INTO search_outbox (claim_id) SELECT id FROM added
            """,
            (
                self.staff,
                self.claims,
                [category for category, _description in EXPENSES],
                [description for _category, description in EXPENSES],
                len(EXPENSES),
                list(CURRENCIES),
                len(CURRENCIES),
                self.slugs(),
                Decimal("9.50"),
                self.claims,
                self.claims,
            ),
        ).rowcount


def _numbered(names: tuple[str, ...], index: int) -> str:
    return names[index] if index < len(names) else f"{names[index % len(names)]} {index // len(names) + 1}"


def _name(place: int, number: int) -> str:
    return f"{FIRST_NAMES[(place * 5 + number * 3) % len(FIRST_NAMES)]} {LAST_NAMES[(place + number) % len(LAST_NAMES)]}"


def _title(number: int) -> str:
    return "Head of staff" if number == 1 else TITLES[number % len(TITLES)]


def _role(number: int) -> str:
    return "manager" if number == 1 else "staff"
