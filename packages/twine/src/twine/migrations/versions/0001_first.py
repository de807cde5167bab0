"""Clients, staff, claims and the outbox of the search index.

Revision ID: 0001
Revises:
"""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = (
    """
    CREATE TABLE clients (
        id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        slug text NOT NULL UNIQUE CHECK (slug ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
        name text NOT NULL
    )
    """,
    """
    CREATE TABLE staff (
        id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        client_id     bigint NOT NULL REFERENCES clients,
        name          text NOT NULL,
        email         text NOT NULL CHECK (email = lower(email)),
        title         text NOT NULL DEFAULT '',
        role          text NOT NULL DEFAULT 'staff' CHECK (role IN ('staff', 'manager')),
        password_hash text NOT NULL,
        UNIQUE (client_id, email),
        UNIQUE (client_id, id)
    )
    """,
    # The keys name client and person together: a claim cannot belong to, or be decided by, another client's staff.
    """
    CREATE TABLE claims (
        id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        client_id   bigint NOT NULL REFERENCES clients,
        staff_id    bigint NOT NULL,
        reference   text NOT NULL,
        amount      numeric(10, 2) NOT NULL CHECK (amount > 0),
        currency    text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
        category    text NOT NULL,
        description text NOT NULL,
        status      text NOT NULL DEFAULT 'filed' CHECK (status IN ('filed', 'approved', 'declined')),
        filed_at    timestamptz NOT NULL DEFAULT now(),
        decided_at  timestamptz,
        decided_by  bigint,
        revision    integer NOT NULL DEFAULT 1,
        words       tsvector GENERATED ALWAYS AS (
            to_tsvector('simple', regexp_replace(reference || ' ' || category || ' ' || description, '\\W+', ' ', 'g'))
        ) STORED,
        UNIQUE (client_id, reference),
        FOREIGN KEY (client_id, staff_id) REFERENCES staff (client_id, id),
        FOREIGN KEY (client_id, decided_by) REFERENCES staff (client_id, id),
        CHECK ((status = 'filed') = (decided_at IS NULL)),
        CHECK ((decided_at IS NULL) = (decided_by IS NULL))
    )
    """,
    "CREATE INDEX claims_of_client ON claims (client_id, id DESC)",
    "CREATE INDEX claims_of_person ON claims (client_id, staff_id, id DESC)",
    "CREATE INDEX claims_to_decide ON claims (client_id, id DESC) WHERE status = 'filed'",
    "CREATE INDEX claims_words ON claims USING gin (words)",
    """
    CREATE TABLE search_outbox (
        id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        claim_id bigint NOT NULL REFERENCES claims,
        attempts integer NOT NULL DEFAULT 0,
        due_at   timestamptz NOT NULL DEFAULT now()
    )
    """,
    "CREATE INDEX search_outbox_due ON search_outbox (due_at)",
)


def upgrade() -> None:
    """Create the tables."""
    for statement in TABLES:
        op.execute(statement)
