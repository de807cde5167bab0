"""Migrations."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from support import Machine
from twine.connection import ADMIN
from twine.schema import MIGRATIONS, current_revision, known_revisions, migrate
from twine.settings import Settings


@pytest.fixture
def empty(machine: Machine) -> Iterator[Settings]:
    """The settings of a database with nothing in it."""
    machine.postgres.run("CREATE DATABASE empty OWNER owner", database="postgres")
    yield replace(machine.settings(), database_name="empty")
    machine.postgres.run("DROP DATABASE empty WITH (FORCE)", database="postgres")


def test_an_empty_database_is_migrated_once(empty: Settings) -> None:
    assert current_revision(empty, ADMIN) is None
    assert migrate(empty).startswith("Migrated the schema from nothing")
    assert migrate(empty) == f"The schema is at revision {known_revisions()[-1]} already."


def test_machines_that_start_together_take_turns(machine: Machine, empty: Settings) -> None:
    with ThreadPoolExecutor(3) as pool:
        done = list(pool.map(lambda _turn: machine.process("migrate", TWINE_DATABASE_NAME="empty"), range(3)))

    assert [one.returncode for one in done] == [0, 0, 0], done[0].stderr
    assert current_revision(empty) == known_revisions()[-1]


def test_a_newer_database_is_left_alone(machine: Machine, empty: Settings) -> None:
    migrate(empty)
    machine.postgres.run("UPDATE alembic_version SET version_num = '9999'", database="empty")

    assert "newer than this version" in migrate(empty)
    assert current_revision(empty, ADMIN) == "9999"


def test_the_files_and_alembic_agree_on_the_last_revision() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))

    assert ScriptDirectory.from_config(config).get_heads() == [known_revisions()[-1]]


def test_an_absent_database_is_named(machine: Machine) -> None:
    done = machine.command("migrate", TWINE_DATABASE_PORT="9")

    assert done.returncode == 1
    assert done.stderr.startswith("Failed to connect to the database twine at 127.0.0.1:9")
    assert "Traceback" not in done.stderr
