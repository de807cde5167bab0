"""The application has a user of its own, who can do no more than its work."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from support import Machine
from twine.admission import admit
from twine.connection import connection_arguments
from twine.errors import TwineError
from twine.schema import migrate
from twine.settings import Secrets, Settings


@pytest.fixture
def fresh(machine: Machine, tmp_path: Path) -> Iterator[Settings]:
    """A migrated database into which no application has been let, and secrets of its own."""
    own = replace(machine, folder=tmp_path)
    own.write_login("database_admin", "owner", "owners")
    own.write_login("database", "clerk", "of-the-clerk")
    machine.postgres.run("CREATE DATABASE fresh OWNER owner", database="postgres")
    settings = machine.settings(database_name="fresh", secrets=Secrets((own.secrets,)))
    migrate(settings)
    yield settings
    machine.postgres.run("DROP DATABASE fresh WITH (FORCE)", database="postgres")
    machine.postgres.run("DROP USER IF EXISTS clerk", database="postgres")


def act(settings: Settings, statement: str) -> None:
    """Run a statement as the application."""
    with psycopg.connect(autocommit=True, **connection_arguments(settings)) as connection:
        connection.execute(statement.encode())


def test_the_first_migration_makes_the_user_and_the_next_has_nothing_to_do(fresh: Settings) -> None:
    assert admit(fresh) == "Made the application's user clerk."
    assert admit(fresh) == "The application is let into the database already."


@pytest.mark.parametrize("statement", ["INSERT INTO clients (slug, name) VALUES ('a', 'A')", "UPDATE clients SET name = 'B'", "DELETE FROM clients"])
def test_the_application_fills_tables(fresh: Settings, statement: str) -> None:
    admit(fresh)
    act(fresh, statement)


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE claims",
        "ALTER TABLE claims ADD extra int",
        "TRUNCATE claims CASCADE",
        "CREATE TABLE own (id int)",
        "CREATE ROLE another",
        "CREATE DATABASE another",
        "SET ROLE owner",
    ],
)
def test_the_application_changes_none(fresh: Settings, statement: str) -> None:
    admit(fresh)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        act(fresh, statement)


def test_what_a_later_migration_makes_is_the_applications_to_fill(machine: Machine, fresh: Settings) -> None:
    admit(fresh)
    with psycopg.connect(**connection_arguments(fresh, "database_admin")) as owner:
        owner.execute("CREATE TABLE later (id bigserial PRIMARY KEY)")
    act(fresh, "INSERT INTO later DEFAULT VALUES")


def test_who_can_log_in_and_fill_nothing_is_let_in(machine: Machine, fresh: Settings) -> None:
    machine.postgres.run("CREATE USER clerk PASSWORD 'of-the-clerk'", database="postgres")
    admit(fresh)
    act(fresh, "SELECT count(*) FROM claims")


def test_another_applications_user_stays_out(machine: Machine, fresh: Settings) -> None:
    admit(fresh)
    assert machine.lets_in("clerk", "of-the-clerk", "fresh")
    assert not machine.lets_in("twine", "first", "fresh")


def test_the_server_never_sees_the_password(machine: Machine, fresh: Settings) -> None:
    machine.postgres.run("ALTER ROLE owner SET log_statement = 'all'", database="postgres")
    admit(fresh)
    machine.postgres.run("ALTER ROLE owner RESET log_statement", database="postgres")

    logged = (machine.postgres.folder / "log").read_text()
    assert 'CREATE ROLE "clerk" LOGIN PASSWORD' in logged and "of-the-clerk" not in logged


def test_one_user_for_both_is_refused(machine: Machine, fresh: Settings) -> None:
    (fresh.secrets.folders[0] / "database").write_text((fresh.secrets.folders[0] / "database_admin").read_text())
    with pytest.raises(TwineError, match="both name the user owner"):
        admit(fresh)


def test_without_an_admin_one_user_does_both(fresh: Settings) -> None:
    (fresh.secrets.folders[0] / "database_admin").rename(fresh.secrets.folders[0] / "database")
    assert migrate(fresh).endswith("already.")
    assert admit(fresh).startswith("The user who migrates serves as well")


def test_an_admin_who_may_not_make_users_is_named(machine: Machine, fresh: Settings) -> None:
    machine.postgres.run("ALTER ROLE owner NOCREATEROLE", database="postgres")
    with pytest.raises(TwineError, match="Failed to let clerk into the database fresh: permission denied to create role"):
        admit(fresh)
    machine.postgres.run("ALTER ROLE owner CREATEROLE", database="postgres")


def test_a_machine_that_fetches_nothing_sets_nothing(fresh: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("twine.rotation.FETCH_SECONDS", 0.2)
    (tmp_path / "asks").mkdir()
    with pytest.raises(TwineError, match=r"has not fetched them within 0\.2 s"):
        admit(replace(fresh, asks_folder=tmp_path / "asks"))
