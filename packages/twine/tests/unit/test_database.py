"""The pool outlives what happens to its database."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest
from flask import Flask
from support import PASSWORD, Browser, Machine, Postgres, Redis, make_app, said, wait_until
from twine.admission import admit
from twine.database import connect
from twine.schema import migrate


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine of these tests' own, to be treated badly."""
    folder = tmp_path_factory.mktemp("own")
    with Postgres(folder / "postgres") as postgres, Redis(folder / "redis") as redis:
        machine = Machine(folder, postgres, redis, redis)
        machine.write_secret("session_key", "a key")
        machine.create_database("twine")
        migrate(machine.settings())
        admit(machine.settings())
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

    own.write_login("database", "twine", "second")
    own.postgres.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'twine'")
    assert person.file().status_code == 201


@dataclass
class Store:
    """Secrets Manager, and a machine that fetches the secret when it is asked to, and not before."""

    machine: Machine
    asks: Path
    user: str = "twine"
    password: str = "third"
    ended: threading.Event = field(default_factory=threading.Event)

    def fetch(self) -> None:
        """Do what `machine-config refresh` does."""
        for ask in self.asks.iterdir():
            ask.unlink()
        # As long as a machine takes to call Secrets Manager.
        self.ended.wait(0.3)
        self.machine.write_login("database", self.user, self.password)
        os.utime(self.machine.secrets)

    @contextmanager
    def served(self) -> Iterator[None]:
        """Fetch whenever somebody asks."""

        def serve() -> None:
            while not self.ended.wait(0.05):
                if any(self.asks.iterdir()):
                    self.fetch()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            self.ended.set()
            thread.join()


@pytest.fixture
def store(own: Machine, tmp_path: Path) -> Iterator[Store]:
    """The machine with a store of its own."""
    asks = tmp_path / "asks"
    asks.mkdir()
    store = Store(own, asks)
    with store.served():
        yield store


END_ALL = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'twine'"


@contextmanager
def busy(own: Machine, asks: Path) -> Iterator[list[int]]:
    """Four people who file claims all the time; yielded are the statuses of their requests so far."""
    codes: list[int] = []
    ended = threading.Event()

    def work(person: Browser) -> None:
        while not ended.is_set():
            codes.append(person.file().status_code)

    with make_app(own.settings(asks_folder=asks)) as app, ThreadPoolExecutor(4) as pool:
        people = [Browser(app) for _turn in range(4)]
        for person in people:
            person.log_in("client-1", "staff-2@client-1.example", PASSWORD)
        working = [pool.submit(work, person) for person in people]
        wait_until(lambda: len(codes) > 20, what="work is under way")
        try:
            yield codes
        finally:
            ended.set()
    for one in working:
        one.result()


def goes_on(codes: list[int], requests: int = 40) -> None:
    """Wait for so many more requests."""
    before = len(codes)
    wait_until(lambda: len(codes) > before + requests, what="work goes on")


def test_a_rotation_under_load_costs_no_request(own: Machine, store: Store) -> None:
    """The secret changes, a machine fetches it and sets it; all connections end before and after that, in the middle of the work."""
    store.password = "third"
    with busy(own, store.asks) as codes:
        store.fetch()
        # Here the machine has the new password and the database the old one.
        own.postgres.run(END_ALL)
        goes_on(codes)
        migrated = own.process("migrate", TWINE_ASKS=str(store.asks))
        assert "Gave the application's user twine its password of now." in migrated.stdout, migrated.stderr
        own.postgres.run(END_ALL)
        goes_on(codes)

    assert set(codes) == {201}
    assert own.lets_in("twine", "third")


def test_a_machine_that_learns_of_it_last_costs_no_request(own: Machine, store: Store) -> None:
    """Another machine has set the new password already: this one is refused, and asks."""
    store.password = "fourth"
    with busy(own, store.asks) as codes:
        own.postgres.run("ALTER USER twine PASSWORD 'fourth'")
        own.postgres.run(END_ALL)
        goes_on(codes)

    assert set(codes) == {201}
    assert json.loads((own.secrets / "database").read_text())["password"] == "fourth"


def test_a_machine_with_the_secret_of_yesterday_does_not_set_it_back(own: Machine, store: Store) -> None:
    store.password = "fifth"
    own.postgres.run("ALTER USER twine PASSWORD 'fifth'")
    own.write_login("database", "twine", "of yesterday")

    admit(own.settings(asks_folder=store.asks))
    assert own.lets_in("twine", "fifth")


def test_who_is_refused_for_good_is_told_so(own: Machine, tmp_path: Path) -> None:
    own.write_login("database", "twine", "wrong")
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
