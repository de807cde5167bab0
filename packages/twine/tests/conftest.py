"""What tests of Twine share: real servers, a database with three clients, and browsers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask
from support import PASSWORD, Browser, Machine, Postgres, Redis, make_app
from twine.admission import admit
from twine.schema import migrate
from twine.settings import Settings


@pytest.fixture(scope="session")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A PostgreSQL and two Redis servers, with the files of secrets that go with them."""
    folder = tmp_path_factory.mktemp("machine")
    with Postgres(folder / "postgres") as postgres, Redis(folder / "shared") as shared, Redis(folder / "local") as local:
        machine = Machine(folder, postgres, shared, local)
        machine.write_secret("session_key", "a key")
        machine.create_database("twine")
        migrate(machine.settings())
        admit(machine.settings())
        machine.seed("--clients", "3", "--staff", "3")
        machine.hash_passwords_cheaply()
        yield machine


@pytest.fixture
def settings(machine: Machine) -> Settings:
    """The settings of a machine whose search is away."""
    return machine.settings()


@pytest.fixture
def app(settings: Settings) -> Iterator[Flask]:
    """The application on those settings."""
    with make_app(settings) as running:
        yield running


@pytest.fixture
def app_with(settings: Settings) -> Iterator[Callable[..., Flask]]:
    """A maker of applications with other settings."""
    with ExitStack() as running:
        yield lambda **changes: running.enter_context(make_app(replace(settings, **changes)))


@pytest.fixture
def browser(app: Flask) -> Callable[..., Browser]:
    """A maker of browsers; `browser("client-1", 2)` is one in which staff-2 of client-1 has logged in."""

    def make(client: str | None = None, number: int = 1) -> Browser:
        made = Browser(app)
        if client is not None:
            made.log_in(client, f"staff-{number}@{client}.example", PASSWORD)
        return made

    return make


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("TWINE_")]:
        monkeypatch.delenv(name)
