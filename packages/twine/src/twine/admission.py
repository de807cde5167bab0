"""The application's own user of the database, who fills tables and can change none. Who migrates makes it and sets its password."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import psycopg2
from psycopg2.extensions import encrypt_password
from psycopg2.sql import SQL, Composed, Identifier, Literal

from twine.connection import ADMIN, APPLICATION, connection_arguments
from twine.errors import TwineError
from twine.rotation import fetch_again, is_refusal
from twine.settings import Settings

LOCK = 7_468_297_105
NOT_LET_IN = "permission denied for database"
# Nobody else enters the database. Tables to come are the application's to fill as well.
GRANTS = (
    "REVOKE ALL ON DATABASE {database} FROM PUBLIC",
    "GRANT CONNECT ON DATABASE {database} TO {user}",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {user}",
    "GRANT SELECT, USAGE ON ALL SEQUENCES IN SCHEMA public TO {user}",
    "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {user}",
    "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, USAGE ON SEQUENCES TO {user}",
)
CLOSED_TABLES = """
    SELECT count(*) FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT has_table_privilege(oid, 'DELETE')
"""


def admit(settings: Settings) -> str:
    """Let the user of the secret `database` in, with the password that stands there; return what was done.

    What the secret says is true, and the database follows: a password that was changed there is set here. A machine whose
    secret is of yesterday fetches it again first, so that it does not set the password back.
    """
    if settings.secrets.find(ADMIN) is None:
        return "The user who migrates serves as well: there is no secret database_admin."
    admin, _password = settings.secrets.read_login(ADMIN)
    if settings.secrets.read_login(APPLICATION)[0] == admin:
        raise TwineError(
            f"Failed to let the application into the database: the secrets {APPLICATION} and {ADMIN} both name the user {admin}. "
            f"Give the application one of its own, or remove {ADMIN}."
        )
    if _is_let_in(settings):
        return "The application is let into the database already."
    fetch_again(settings)
    user, password = settings.secrets.read_login(APPLICATION)
    try:
        with closing(psycopg2.connect(**connection_arguments(settings, ADMIN))) as connection:
            is_new = _admit(connection, settings.database_name, user, password)
    except psycopg2.Error as error:
        raise TwineError(
            f"Failed to let {user} into the database {settings.database_name}: {' '.join(str(error).split())}. "
            f"Nothing was changed; see what the user of the secret {ADMIN} may do."
        ) from error
    return f"Made the application's user {user}." if is_new else f"Gave the application's user {user} its password of now."


def _is_let_in(settings: Settings) -> bool:
    try:
        with closing(psycopg2.connect(**connection_arguments(settings))) as connection, connection.cursor() as cursor:
            cursor.execute(CLOSED_TABLES)
            return bool(cursor.fetchone()[0] == 0)
    except psycopg2.OperationalError as error:
        if is_refusal(error) or NOT_LET_IN in str(error):
            return False
        raise TwineError(f"Failed to connect to the database as the application: {' '.join(str(error).split())}. See twine check.") from error


def _admit(connection: Any, database: str, user: str, password: str) -> bool:
    """In one transaction, one machine at a time; return whether the user was made."""
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
        is_new = _set_password(connection, cursor, user, password)
        for grant in GRANTS:
            cursor.execute(SQL(grant).format(database=Identifier(database), user=Identifier(user)))
    return is_new


def _set_password(connection: Any, cursor: Any, user: str, password: str) -> bool:
    """Return whether the user was made. The server sees a verifier of the password and can log no more."""
    cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (user,))
    is_new = cursor.fetchone() is None
    verifier = encrypt_password(password, user, scope=connection)
    word: Composed | SQL = SQL("CREATE ROLE") if is_new else SQL("ALTER ROLE")
    cursor.execute(SQL("{} {} LOGIN PASSWORD {}").format(word, Identifier(user), Literal(verifier)))
    return is_new
