"""The server as a machine runs it: a process on a socket."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from support import PASSWORD, Machine, a_claim, free_port, stop, wait_until

# The process that loads the code and starts those that serve says at its end what it has loaded.
START = """
import atexit, os, sys
parent = os.getpid()
atexit.register(lambda: os.getpid() == parent and print("loaded:", *{name.partition(".")[0] for name in sys.modules}))
from twine.__main__ import main
main()
"""


class UnixConnection(http.client.HTTPConnection):
    """HTTP over the socket of the machine."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=20)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect(str(self._path))


def ask(connection: http.client.HTTPConnection, method: str, path: str, body: object = None, cookie: str = "") -> http.client.HTTPResponse:
    headers = {"Content-Type": "application/json", "Cookie": cookie}
    connection.request(method, path, json.dumps(body) if body is not None else None, headers)
    answer = connection.getresponse()
    answer.read()
    return answer


@contextmanager
def serving(machine: Machine, bind: str, program: list[str] | None = None) -> Iterator[subprocess.Popen[str]]:
    process = machine.start("serve", "--bind", bind, program=program)
    try:
        yield process
    finally:
        if process.poll() is None:
            stop(process, signal.SIGKILL)


def answers(connection: http.client.HTTPConnection) -> bool:
    try:
        return ask(connection, "GET", "/health").status == 200
    except OSError:
        return False
    finally:
        connection.close()


def test_what_is_under_way_is_finished_before_the_end(machine: Machine, tmp_path: Path) -> None:
    path = tmp_path / "twine.sock"
    with serving(machine, f"unix:{path}") as process, ThreadPoolExecutor(1) as pool:
        wait_until(lambda: answers(UnixConnection(path)), what="Twine answers")
        account = {"client": "client-1", "email": "staff-2@client-1.example", "password": PASSWORD}
        cookie = str(ask(UnixConnection(path), "POST", "/api/login", account).getheader("Set-Cookie")).partition(";")[0]
        with machine.postgres.connect() as blocker, blocker.transaction():
            blocker.execute("LOCK TABLE claims IN ACCESS EXCLUSIVE MODE")
            filing = pool.submit(ask, UnixConnection(path), "POST", "/api/claims", a_claim(), cookie)
            waiting = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'twine' AND wait_event_type = 'Lock'"
            wait_until(lambda: machine.postgres.run(waiting) == [(1,)], what="the claim is under way")
            process.send_signal(signal.SIGTERM)
            wait_until(lambda: not answers(UnixConnection(path)), what="no more is taken on")
            assert not filing.done()
        assert filing.result(10).status == 201
        began = time.monotonic()
        printed = process.communicate(timeout=30)[0]

    assert process.returncode == 0, printed
    assert time.monotonic() - began < 10
    assert "Traceback" not in printed


def test_the_socket_is_for_the_web_server(machine: Machine, tmp_path: Path) -> None:
    path = tmp_path / "twine.sock"
    with serving(machine, f"unix:{path}") as process:
        wait_until(lambda: answers(UnixConnection(path)), what="Twine answers")
        mode = stat.S_IMODE(path.stat().st_mode)
        stop(process)

    # Who may connect is decided by the folder.
    assert mode == 0o777


def test_a_kept_connection_is_closed_at_the_end(machine: Machine) -> None:
    port = free_port()
    with serving(machine, f"127.0.0.1:{port}") as process:
        wait_until(lambda: answers(http.client.HTTPConnection("127.0.0.1", port)), what="Twine answers")
        kept = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        assert ask(kept, "GET", "/health").getheader("Connection") == "keep-alive"
        assert ask(kept, "GET", "/health").status == 200
        stop(process)
        assert kept.sock is not None
        assert kept.sock.recv(1) == b""

    assert process.returncode == 0


@pytest.mark.parametrize(
    ("name", "value", "says"), [("TWINE_DATABASE_HOST", "", "TWINE_DATABASE_HOST is not set"), ("TWINE_SECRETS", "/nowhere", "secret session_key")]
)
def test_it_does_not_start_half_configured(machine: Machine, name: str, value: str, says: str) -> None:
    done = machine.process("serve", "--bind", "127.0.0.1:0", **{name: value})

    assert done.returncode == 1
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_only_what_a_start_needs_is_loaded(machine: Machine) -> None:
    port = free_port()
    with serving(machine, f"127.0.0.1:{port}", [sys.executable, "-c", START]) as process:
        wait_until(lambda: answers(http.client.HTTPConnection("127.0.0.1", port)), what="Twine answers")
        printed = stop(process)
    (line,) = [line for line in printed.splitlines() if line.startswith("loaded:")]
    loaded = set(line.split())

    assert {"flask", "gunicorn", "psycopg", "redis"} <= loaded
    assert not {"pkg_resources", "alembic", "sqlalchemy", "psycopg2", "elasticsearch", "elastic_transport"} & loaded
