"""Real servers for tests, and a browser that remembers its cookies."""

from __future__ import annotations

import io
import itertools
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self
from unittest.mock import patch

import psycopg
import redis
from argon2 import PasswordHasher
from flask import Flask
from twine.__main__ import main
from twine.application import create_app
from twine.services import EXTENSION, Services
from twine.settings import Settings, read_settings
from werkzeug.test import TestResponse

PASSWORD = "correct horse"
SOURCES = Path(__file__).parents[1] / "src"
_numbers = itertools.count(1)


def wait_until(true: Callable[[], object], seconds: float = 10, what: str = "it") -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds} s"
        time.sleep(0.02)


def free_port() -> int:
    """Return a port that nobody uses now."""
    with socket.socket() as it:
        it.bind(("127.0.0.1", 0))
        return int(it.getsockname()[1])


class Postgres:
    """A PostgreSQL server in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()

    def __enter__(self) -> Self:
        password = self.folder.with_suffix(".password")
        password.write_text("admin")
        options = ["--auth=scram-sha-256", "--username=admin", f"--pwfile={password}", "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8"]
        subprocess.run(["initdb", *options, str(self.folder)], check=True, capture_output=True)
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop("immediate")

    def start(self) -> None:
        """Start it and wait until it answers."""
        options = f"-p {self.port} -k '' -c fsync=off -c listen_addresses=127.0.0.1"
        log = str(self.folder / "log")
        subprocess.run(["pg_ctl", "-w", "-s", "-D", str(self.folder), "-l", log, "-o", options, "start"], check=True)

    def stop(self, mode: str = "fast") -> None:
        """Stop it; every connection ends."""
        subprocess.run(["pg_ctl", "-w", "-s", "-D", str(self.folder), "-m", mode, "stop"], check=True)

    def run(self, query: str, *values: object, database: str = "twine") -> list[tuple[Any, ...]]:
        """Run a statement as the administrator."""
        with self.connect(database) as connection:
            cursor = connection.execute(query.encode(), values)
            return cursor.fetchall() if cursor.description else []

    def connect(self, database: str = "twine") -> psycopg.Connection[Any]:
        """Open a connection as the administrator."""
        return psycopg.connect(
            host="127.0.0.1", port=self.port, dbname=database, user="admin", password="admin", autocommit=True, application_name="test"
        )


class Redis:
    """A Redis server in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.folder.mkdir()
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(self.folder)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        client = self.client()
        wait_until(lambda: _answers(client), what="Redis answers")
        return self

    def __exit__(self, *_error: object) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            self._process = None
        shutil.rmtree(self.folder, ignore_errors=True)

    def client(self) -> Any:
        """Return a client of it."""
        return redis.Redis(port=self.port)

    def names(self) -> list[str]:
        """Return the names of all that is in it."""
        return sorted(key.decode() for key in self.client().keys("*"))


def _answers(client: Any) -> bool:
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False


@dataclass
class Machine:
    """The servers, and the secrets in files as a machine has them."""

    folder: Path
    postgres: Postgres
    shared: Redis
    local: Redis

    @property
    def secrets(self) -> Path:
        """Return the folder of the secrets."""
        path = self.folder / "secrets"
        path.mkdir(exist_ok=True)
        return path

    def write_secret(self, name: str, content: str) -> None:
        """Write a secret."""
        (self.secrets / name).write_text(content)

    def create_database(self, name: str, owner: str = "owner") -> None:
        """Create a database and the user who owns it, as RDS does; write its secret, and that of the application's user to come."""
        self.postgres.run(f"CREATE USER {owner} CREATEROLE PASSWORD 'owners'", database="postgres")
        self.postgres.run(f"CREATE DATABASE {name} OWNER {owner}", database="postgres")
        self.write_login("database_admin", owner, "owners")
        self.write_login("database", "twine", "first")

    def write_login(self, name: str, user: str, password: str) -> None:
        """Write a secret that lets a user into the database."""
        self.write_secret(name, json.dumps({"username": user, "password": password}))

    def lets_in(self, user: str, password: str, database: str = "twine") -> bool:
        """Say whether the database knows the user by this password."""
        try:
            psycopg.connect(host="127.0.0.1", port=self.postgres.port, dbname=database, user=user, password=password).close()
        except psycopg.OperationalError:
            return False
        return True

    def environment(self) -> dict[str, str]:
        """Return the environment of Twine's processes; nothing listens where search should be."""
        return {
            "TWINE_SECRETS": str(self.secrets),
            "TWINE_DATABASE_HOST": "127.0.0.1",
            "TWINE_DATABASE_PORT": str(self.postgres.port),
            "TWINE_SESSION_REDIS_URL": self.shared.url,
            "TWINE_FRAGMENT_REDIS_URL": self.local.url,
            "TWINE_SEARCH_URL": "http://127.0.0.1:9",
            "TWINE_CACHE": str(self.folder / "cache"),
        }

    def settings(self, **changes: object) -> Settings:
        """Return the settings that this environment gives."""
        return replace(read_settings(self.environment()), **changes)

    def hash_passwords_cheaply(self) -> None:
        """Replace the hashes by ones that are quick to verify: hundreds of tests log in."""
        cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
        self.postgres.run("UPDATE staff SET password_hash = %s", cheap)

    def command(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run the command `twine` in this process, which saves its start."""
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err), patch.dict(os.environ, {**self.environment(), **environment}):
            try:
                code = main(arguments)
            except SystemExit as end:
                code = int(end.code or 0)
        return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())

    def process(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run the command `twine` as a process."""
        return subprocess.run(
            [sys.executable, "-m", "twine", *arguments],
            env={**os.environ, **self.environment(), **environment, "PYTHONPATH": str(SOURCES)},
            capture_output=True,
            text=True,
            check=False,
        )

    def start(self, *arguments: str, program: list[str] | None = None) -> subprocess.Popen[str]:
        """Start the command `twine`, or another `program`, and leave it running."""
        return subprocess.Popen(
            [*(program or [sys.executable, "-m", "twine"]), *arguments],
            env={**os.environ, **self.environment(), "PYTHONPATH": str(SOURCES)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def seed(self, *arguments: str) -> str:
        """Run `twine seed` with the password of all tests."""
        path = self.folder / "seed-password"
        path.write_text(PASSWORD)
        done = self.command("seed", *arguments, TWINE_SEED_PASSWORD_FILE=str(path))
        assert done.returncode == 0, done.stderr
        return done.stdout


@contextmanager
def make_app(settings: Settings) -> Iterator[Flask]:
    """A running application, closed afterwards."""
    app = create_app(settings)
    services: Services = app.extensions[EXTENSION]
    services.open()
    try:
        yield app
    finally:
        services.close()


def stop(process: subprocess.Popen[str], number: signal.Signals = signal.SIGTERM) -> str:
    """Stop a process and return what it printed."""
    process.send_signal(number)
    printed, _errors = process.communicate(timeout=30)
    return printed


def said(answer: TestResponse) -> Any:
    """Return what a JSON answer says."""
    return answer.get_json()


class Browser:
    """A browser with its own cookies."""

    def __init__(self, app: Flask) -> None:
        self.client = app.test_client()

    def log_in(self, client: str, email: str, password: str, **options: Any) -> TestResponse:
        """Log in by the API."""
        return self.post("/api/login", {"client": client, "email": email, "password": password}, **options)

    def get(self, path: str, **options: Any) -> TestResponse:
        """Get a path."""
        return self.client.get(path, **options)

    def post(self, path: str, body: object | None = None, **options: Any) -> TestResponse:
        """Post JSON."""
        return self.client.post(path, json=body, **options) if body is not None else self.client.post(path, **options)

    def file(self, **changes: object) -> TestResponse:
        """File a claim by the API; it is a new one each time."""
        return self.post("/api/claims", {**a_claim(), **changes})

    def send_form(self, page: str, fields: dict[str, str], action: str | None = None) -> TestResponse:
        """Fill in the form of `page` and send it, with the token that it carries."""
        found = re.search(r'name="form_token" value="([^"]+)"', self.get(page).text)
        assert found is not None, page
        return self.client.post(action or page, data={"form_token": found[1], **fields})


def a_claim() -> dict[str, object]:
    """Return a claim that has not been filed yet."""
    return {
        "reference": f"test-{next(_numbers)}",
        "amount": "12.50",
        "currency": "GBP",
        "category": "travel",
        "description": "Train to Leeds",
    }
