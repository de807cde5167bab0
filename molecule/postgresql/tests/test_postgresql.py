"""The database, who may do what in it, and what is left of it after a kill."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from testinfra.backend.base import CommandResult
from testinfra.host import Host

PASSWORDS = {"twine": "molecule-owner", "twine_application": "molecule-application"}


def sql(host: Host, user: str, statement: str, password: str | None = None) -> CommandResult:
    """Run a statement over TCP, with the password that the network asks for."""
    secret = PASSWORDS[user] if password is None else password
    return host.run(f"PGPASSWORD='{secret}' psql -h 127.0.0.1 -U {user} -At -v ON_ERROR_STOP=1 -c \"{statement}\" twine")


@pytest.fixture(scope="module", autouse=True)
def claims(host: Host) -> None:
    """Have a table of the owner's."""
    sql(host, "twine", "CREATE TABLE IF NOT EXISTS claims (id bigserial PRIMARY KEY, reference text UNIQUE)")


def test_text_is_utf8_and_pages_are_checked(host: Host) -> None:
    """Whoever installed it, the cluster is made the same."""
    answer = sql(host, "twine", "SELECT current_setting('server_encoding'), current_setting('data_checksums')")
    assert answer.stdout.strip() == "UTF8|on"


def test_wrong_password_is_refused(host: Host) -> None:
    """The network asks for a password, on loopback too."""
    answer = sql(host, "twine", "SELECT 1", password="wrong")
    assert answer.rc != 0
    assert "password authentication failed" in answer.stderr


def test_passwords_are_scrambled(host: Host) -> None:
    """The catalogue holds verifiers, not passwords."""
    stored = host.check_output("psql -U postgres -At -c \"SELECT rolpassword FROM pg_authid WHERE rolname LIKE 'twine%'\"").splitlines()
    assert len(stored) == len(PASSWORDS)
    assert all(line.startswith("SCRAM-SHA-256$") for line in stored)


def test_application_reads_and_writes_rows(host: Host) -> None:
    """What the owner makes is the application's to fill, sequences included."""
    assert sql(host, "twine_application", "INSERT INTO claims (reference) VALUES ('a') ON CONFLICT DO NOTHING").rc == 0
    assert sql(host, "twine_application", "SELECT count(*) FROM claims WHERE reference = 'a'").stdout.strip() == "1"


@pytest.mark.parametrize("statement", ["DROP TABLE claims", "ALTER TABLE claims ADD extra int", "TRUNCATE claims", "CREATE TABLE own (id int)"])
def test_application_changes_no_table(host: Host, statement: str) -> None:
    """Migrations are the owner's."""
    answer = sql(host, "twine_application", statement)
    assert answer.rc != 0
    assert "must be owner" in answer.stderr or "permission denied" in answer.stderr


def test_listens_on_loopback_only(host: Host) -> None:
    """By default nobody beyond the machine reaches it."""
    listeners = host.check_output("ss --listening --tcp --numeric --no-header 'sport = :5432'").splitlines()
    assert [line.split()[3] for line in listeners] == ["127.0.0.1:5432"]


def test_committed_row_survives_a_kill(host: Host) -> None:
    """What was acknowledged is there after `kill -9` of the server, which comes back by itself or by its unit."""
    assert sql(host, "twine", "INSERT INTO claims (reference) VALUES ('killed') ON CONFLICT DO NOTHING").rc == 0
    host.check_output("kill -9 $(head -1 /var/lib/postgresql/*/main/postmaster.pid)")
    host.check_output("timeout 30 sh -c 'until pg_isready -q -h 127.0.0.1; do sleep 0.2; done'")
    assert sql(host, "twine", "SELECT count(*) FROM claims WHERE reference = 'killed'").stdout.strip() == "1"


def test_health_check_tells_of_ways_in_without_a_scrambled_password(host: Host, health_check: Callable[[], str]) -> None:
    """The server itself reads the file, and the sentence names each line, one that it doesn't understand as well."""
    path, lines = "/etc/postgresql/15/main/pg_hba.conf", r"host all all 127.0.0.1/32 md5\nlocal all all trust\n# trust\nno such line\n"
    host.check_output(f"cp --preserve=all {path} {path}.kept && printf '{lines}' >>{path}")
    said = health_check()
    host.check_output(f"mv {path}.kept {path}")
    last = int(host.check_output(f"wc --lines <{path}"))
    assert f"Failed to find PostgreSQL closed: {path}, line {last + 1}, {last + 2}, {last + 4}, lets in" in said
    assert health_check() == ""
