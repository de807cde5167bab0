"""The database schema: which revision this code needs, and how it gets there."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path
from typing import Any

# Every start asks for the revision: psycopg 3 in pure Python takes three times as long to load as this.
import psycopg2

from twine.connection import APPLICATION, admin_secret, connection_arguments
from twine.errors import TwineError
from twine.settings import Settings

MIGRATIONS = Path(__file__).parent / "migrations"
LOCK = 7_468_297_104
LOCK_SECONDS = 120
RETRY_SECONDS = 0.5


def known_revisions() -> list[str]:
    """Return the revisions of this code, oldest first: the files' names begin with them."""
    return sorted(path.name.split("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def current_revision(settings: Settings, secret: str = APPLICATION) -> str | None:
    """Return the revision of the database, None when it is empty; asked as the user of `secret`."""
    with closing(_connect(settings, secret)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('alembic_version')")
        if cursor.fetchone()[0] is None:
            return None
        cursor.execute("SELECT version_num FROM alembic_version")
        row = cursor.fetchone()
        return None if row is None else str(row[0])


def wait_for_database(settings: Settings, seconds: float) -> None:
    """Wait until the database lets in who migrates, at most `seconds`."""
    secret = admin_secret(settings)
    deadline = time.monotonic() + seconds
    while True:
        try:
            _connect(settings, secret).close()
        except psycopg2.OperationalError as error:
            if time.monotonic() >= deadline:
                place = f"{settings.database_host}:{settings.database_port}"
                raise TwineError(
                    f"Failed to connect to the database {settings.database_name} at {place}: {' '.join(str(error).split())}. "
                    f"Start it, or correct TWINE_DATABASE_* and the secret {secret}."
                ) from error
            time.sleep(RETRY_SECONDS)
        else:
            return


def migrate(settings: Settings) -> str:
    """Bring the schema to this code's revision; return what was done.

    Machines that start together queue at a lock of the transaction. A database that a newer version has migrated
    already is left alone: migrations only add, so the older code still works with it, and a rollback needs nothing.
    """
    known = known_revisions()
    secret = admin_secret(settings)
    current = current_revision(settings, secret)
    if current == known[-1]:
        return f"The schema is at revision {current} already."
    if current is not None and current not in known:
        return f"The schema is at revision {current}, newer than this version's {known[-1]}: nothing to do."
    _upgrade(settings, secret)
    return f"Migrated the schema from {current or 'nothing'} to revision {known[-1]}."


def _connect(settings: Settings, secret: str) -> Any:
    return psycopg2.connect(**connection_arguments(settings, secret))


def _upgrade(settings: Settings, secret: str) -> None:
    # Alembic is slow to load, and needed once a release. SQLAlchemy 1.4 knows psycopg2 only.
    import sqlalchemy
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    engine = sqlalchemy.create_engine("postgresql+psycopg2://", creator=lambda: _connect(settings, secret))
    try:
        with engine.begin() as connection:
            connection.execute(sqlalchemy.text(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'"))
            connection.execute(sqlalchemy.text(f"SELECT pg_advisory_xact_lock({LOCK})"))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except sqlalchemy.exc.SQLAlchemyError as error:
        raise TwineError(
            f"Failed to migrate the schema of {settings.database_name}: {error}. Nothing was changed; correct it and run twine migrate again."
        ) from error
    finally:
        engine.dispose()
