"""The commands that people and machines call."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import Machine
from twine.version import VERSION


def test_version(machine: Machine) -> None:
    assert machine.command("version").stdout == f"{VERSION}\n"


def test_check_has_a_line_for_each_dependency(machine: Machine) -> None:
    done = machine.command("check")
    lines = dict(line.split(":", 1) for line in done.stdout.splitlines())

    assert list(lines) == ["secrets", "database", "schema", "sessions", "fragments", "search"]
    assert [name for name, text in lines.items() if "FAILED" in text] == ["search"]
    assert done.returncode == 1


@pytest.mark.parametrize(
    ("name", "value", "fails"),
    [
        ("TWINE_DATABASE_PORT", "9", "database"),
        ("TWINE_DATABASE_NAME", "postgres", "schema"),
        ("TWINE_SESSION_REDIS_URL", "redis://127.0.0.1:9/0", "sessions"),
        ("TWINE_FRAGMENT_REDIS_URL", "redis://127.0.0.1:9/0", "fragments"),
        ("TWINE_SECRETS", "/nowhere", "secrets"),
    ],
)
def test_check_names_what_does_not_answer(machine: Machine, name: str, value: str, fails: str) -> None:
    done = machine.command("check", **{name: value})
    (line,) = [line for line in done.stdout.splitlines() if line.startswith(f"{fails}:")]

    assert "FAILED" in line
    assert "Traceback" not in done.stderr


def test_warm_needs_no_configuration(tmp_path: Path, machine: Machine) -> None:
    nothing = {"TWINE_DATABASE_HOST": "", "TWINE_SESSION_REDIS_URL": "", "TWINE_FRAGMENT_REDIS_URL": "redis://127.0.0.1:9/0"}
    done = machine.command("warm", **nothing, TWINE_SECRETS=str(tmp_path), TWINE_CACHE=str(tmp_path))

    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "templates").iterdir())) > 10
    assert "Redis is not running here" in done.stdout


def test_warm_stores_what_is_the_same_for_everybody(machine: Machine, tmp_path: Path) -> None:
    machine.local.client().flushdb()
    done = machine.command("warm", TWINE_CACHE=str(tmp_path))

    assert "fragments: 1 stored" in done.stdout
    assert machine.local.names() == [f"fragment:{VERSION}:common:guide"]


def test_seed_adds_only_what_is_missing(machine: Machine) -> None:
    assert machine.seed("--clients", "3", "--staff", "3") == "Added 0 clients, 0 staff and 0 claims.\n"
    assert machine.seed("--clients", "4", "--staff", "4", "--claims", "8") == "Added 1 clients, 7 staff and 32 claims.\n"
    assert machine.seed("--clients", "4", "--staff", "4", "--claims", "8") == "Added 0 clients, 0 staff and 0 claims.\n"
    machine.postgres.run("DELETE FROM search_outbox WHERE claim_id IN (SELECT id FROM claims WHERE reference LIKE 'seed-%%')")
    machine.postgres.run("DELETE FROM claims WHERE reference LIKE 'seed-%%'")
    machine.postgres.run("DELETE FROM staff WHERE email LIKE 'staff-4@%%' OR email LIKE '%%@client-4.example'")


@pytest.mark.parametrize(("file", "says"), [("", "TWINE_SEED_PASSWORD_FILE is not set"), ("/nowhere", "No such file")])
def test_seed_says_what_it_lacks(machine: Machine, file: str, says: str) -> None:
    done = machine.command("seed", TWINE_SEED_PASSWORD_FILE=file)

    assert done.returncode == 1
    assert says in done.stderr


def test_reindex_says_that_search_is_away(machine: Machine) -> None:
    done = machine.command("reindex")

    assert done.returncode == 1
    assert done.stderr.startswith("Failed to fill the search index")


def test_a_wrong_command_is_explained(machine: Machine) -> None:
    done = machine.command("dance")

    assert done.returncode == 2
    assert "invalid choice: 'dance'" in done.stderr
