"""The pool outlives what happens to its database."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from flask import Flask
from support import PASSWORD, Browser, Machine, Postgres, Redis, make_app, said, wait_until
from twine.database import connect
from twine.schema import migrate


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine of these tests' own, to be treated badly."""
    folder = tmp_path_factory.mktemp("own")
    with Postgres(folder / "postgres") as postgres, Redis(folder / "redis") as redis:
        machine = Machine(folder, postgres, redis, redis)
        machine.write_secret("session_key", "a key")
        machine.create_database("twine", "twine")
        migrate(machine.settings())
        machine.seed("--clients", "1", "--staff", "2")
        yield machine


@pytest.fixture
def person(own: Machine) -> Iterator[Browser]:
    """Somebody who has logged in there."""
    with make_app(own.settings()) as app:
        person = Browser(app)
        person.log_in("client-1", "staff-2@client-1.example", PASSWORD)
        yield person


def test_a_restart_of_the_database_costs_no_request(own: Machine, person: Browser) -> None:
    assert person.file().status_code == 201
    own.postgres.stop()
    own.postgres.start()

    assert [person.file().status_code for _turn in range(4)] == [201] * 4


def test_ended_connections_cost_no_request(own: Machine, person: Browser) -> None:
    person.file()
    own.postgres.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'twine'")

    assert person.file().status_code == 201


def test_an_absent_database_is_said_and_comes_back(own: Machine, person: Browser) -> None:
    own.postgres.stop()
    refused = person.file()
    assert refused.status_code == 503
    assert "database" in said(refused)["error"]
    assert person.get("/ready").status_code == 503

    own.postgres.start()
    wait_until(lambda: person.get("/ready").status_code == 200, seconds=15, what="Twine is ready again")
    assert person.file().status_code == 201


def test_a_new_password_is_read_from_the_file(own: Machine, person: Browser) -> None:
    own.postgres.run("ALTER USER twine PASSWORD 'second'")
    assert person.file().status_code == 201

    own.write_secret("database", json.dumps({"username": "twine", "password": "second"}))
    own.postgres.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'twine'")
    assert person.file().status_code == 201


@pytest.fixture
def rotated(own: Machine, tmp_path: Path) -> Iterator[Callable[[], object]]:
    """A machine that fetches the new secret when it is asked to, and not before; returned is what changes the password."""
    asks = tmp_path / "asks"
    asks.mkdir()
    secret = json.dumps({"username": "twine", "password": "third"})
    done = threading.Event()

    def serve_asks() -> None:
        while not done.wait(0.05):
            for ask in asks.iterdir():
                ask.unlink()
                # As long as a machine takes to call Secrets Manager.
                done.wait(0.5)
                own.write_secret("database", secret)

    thread = threading.Thread(target=serve_asks)
    thread.start()
    yield lambda: own.postgres.run("ALTER USER twine PASSWORD 'third'")
    done.set()
    thread.join()


def test_a_rotation_under_load_costs_no_request(own: Machine, rotated: Callable[[], object], tmp_path: Path) -> None:
    """The password changes and all connections end, in the middle of the work of four people."""
    end_all = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'twine'"
    codes: list[int] = []
    ended = threading.Event()

    def work(person: Browser) -> None:
        while not ended.is_set():
            codes.append(person.file().status_code)

    with make_app(own.settings(asks_folder=tmp_path / "asks")) as app, ThreadPoolExecutor(4) as pool:
        people = [Browser(app) for _turn in range(4)]
        for person in people:
            person.log_in("client-1", "staff-2@client-1.example", PASSWORD)
        working = [pool.submit(work, person) for person in people]
        wait_until(lambda: len(codes) > 20, what="work is under way")
        rotated()
        own.postgres.run(end_all)
        before = len(codes)
        wait_until(lambda: len(codes) > before + 40, what="work goes on with the new password")
        ended.set()
    for one in working:
        one.result()

    assert set(codes) == {201}
    assert json.loads((own.secrets / "database").read_text())["password"] == "third"


def test_who_is_refused_for_good_is_told_so(own: Machine, tmp_path: Path) -> None:
    own.write_secret("database", json.dumps({"username": "twine", "password": "wrong"}))
    asks = tmp_path / "asks"
    asks.mkdir()

    with pytest.raises(psycopg.OperationalError, match="authentication failed"):
        connect(own.settings(asks_folder=asks))
    assert [path.name for path in asks.iterdir()] == ["secrets"]


def test_the_pool_keeps_its_budget(machine: Machine, app_with: Callable[..., Flask]) -> None:
    connections = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'twine' AND backend_start > %s"
    began = machine.postgres.run("SELECT now()")[0][0]
    app = app_with(database_pool=2)
    people = [Browser(app) for _turn in range(6)]
    for person in people:
        person.log_in("client-2", "staff-2@client-2.example", PASSWORD)
    with ThreadPoolExecutor(len(people)) as pool:
        filing = [pool.submit(person.file) for person in people]
        codes = [one.result().status_code for one in filing]
    used = machine.postgres.run(connections, began)

    assert codes == [201] * 6
    assert used[0][0] <= 2
