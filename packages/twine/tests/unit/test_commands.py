"""The commands that people and machines call."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import PASSWORD, Browser, Machine, make_app, said
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


def warm(machine: Machine, folder: Path) -> dict[str, Any]:
    """Warm into a folder and return the record of it."""
    done = machine.command("warm", TWINE_CACHE=str(folder))
    assert done.returncode == 0, done.stderr
    record: dict[str, Any] = json.loads((folder / "warm.json").read_text())
    return record


def test_warm_needs_no_configuration(tmp_path: Path, machine: Machine) -> None:
    nothing = {"TWINE_DATABASE_HOST": "", "TWINE_SESSION_REDIS_URL": "", "TWINE_FRAGMENT_REDIS_URL": "redis://127.0.0.1:9/0"}
    done = machine.command("warm", **nothing, TWINE_SECRETS=str(tmp_path), TWINE_CACHE=str(tmp_path))

    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "templates").iterdir())) > 10


def test_warm_records_what_the_first_requests_read(machine: Machine, tmp_path: Path) -> None:
    record = warm(machine, tmp_path)

    assert record["pages"] == {"/login": 200, "/health": 200}
    assert record["fragments"] == ["guide"]
    assert "login.html" in record["templates"]
    assert all(Path(file).is_file() for file in record["files"])
    read = " ".join(record["files"])
    assert all(part in read for part in ("gunicorn", "psycopg", "/flask/", "libc.so", str(tmp_path / "templates")))


def test_warm_again_makes_the_same(machine: Machine, tmp_path: Path) -> None:
    warm(machine, tmp_path)
    first = {path.name: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path.name != "warm.json"}
    warm(machine, tmp_path)

    assert {path.name: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path.name != "warm.json"} == first


def test_what_was_warmed_is_hit_by_the_first_request(machine: Machine, tmp_path: Path) -> None:
    warm(machine, tmp_path)
    with make_app(machine.settings(cache_folder=tmp_path)) as app:
        person = Browser(app)
        person.log_in("client-1", "staff-2@client-1.example", PASSWORD)
        person.get("/claims/new")
        caches = said(person.get("/ready"))["caches"]

    assert caches["templates"]["misses"] == caches["fragments"]["misses"] == 0
    assert caches["templates"]["hits"] > 1
    assert caches["fragments"]["hits"] == 1


def test_a_cold_cache_is_counted_as_such(machine: Machine, tmp_path: Path) -> None:
    with make_app(machine.settings(cache_folder=tmp_path)) as app:
        Browser(app).get("/login")
        caches = said(Browser(app).get("/ready"))["caches"]

    assert caches["templates"]["hits"] == 0
    assert caches["templates"]["misses"] > 1


def test_nothing_of_a_client_gets_into_a_warmed_cache(machine: Machine, tmp_path: Path, browser: Callable[..., Browser]) -> None:
    """On a machine that serves clients, who are all there to be found: in the database, in both caches, in the secrets."""
    person = browser("client-1", 1)
    person.file(description="a trip that nobody else may see")
    assert person.get("/").status_code == person.get("/staff").status_code == 200
    before = machine.local.names(), machine.shared.names()
    connections = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'twine' AND backend_start > %s"
    began = machine.postgres.run("SELECT now()")[0][0]
    secrets, cache = tmp_path / "secrets", tmp_path / "cache"
    secrets.mkdir()
    cache.mkdir()
    for name in ("session_key", "database", "search"):
        (secrets / name).write_text("a-secret-of-this-machine")
    assert machine.command("warm", TWINE_CACHE=str(cache), TWINE_SECRETS=str(secrets)).returncode == 0

    assert machine.postgres.run(connections, began) == [(0,)]
    assert (machine.local.names(), machine.shared.names()) == before
    theirs = (b"client-1", b"staff-1@", b"a trip that nobody", b"a-secret-of-this-machine")
    for path in (path for path in cache.rglob("*") if path.is_file()):
        content = path.read_bytes()
        assert not [word for word in theirs if word in content], path


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
