"""A whole machine: a person logs in, files a claim and finds it, with search and without."""

from __future__ import annotations

import json
from typing import Any

import pytest
from testinfra.host import Host

PASSWORD = "molecule-staff-password"
LOGIN = {"client": "client-1", "email": "staff-1@client-1.example", "password": PASSWORD}


def api(host: Host, path: str, body: dict[str, object] | None = None, cookies: str = "/tmp/manager") -> tuple[int, dict[str, Any]]:
    """Ask the JSON API through nginx; return the status and the answer."""
    given = f"--header 'Content-Type: application/json' --data '{json.dumps(body)}'" if body is not None else ""
    command = f"curl --silent --cookie {cookies} --cookie-jar {cookies} --write-out '\\n%{{http_code}}' {given} 'http://127.0.0.1{path}'"
    answer, status = host.check_output(command).rsplit("\n", 1)
    return int(status), json.loads(answer)


def find(host: Host, word: str) -> dict[str, Any]:
    """Search once."""
    return api(host, f"/api/search?q={word}")[1]


@pytest.fixture(scope="module", autouse=True)
def manager(host: Host) -> None:
    """Be logged in as the manager of a client."""
    host.check_output(f"printf %s '{PASSWORD}' > /tmp/password")
    host.check_output("runuser --user twine -- env TWINE_SEED_PASSWORD_FILE=/tmp/password twine seed --clients 2 --staff 2")
    status, answer = api(host, "/api/login", LOGIN)
    assert status == 200, answer


@pytest.fixture(scope="module")
def claim(host: Host) -> dict[str, Any]:
    """Have filed a claim."""
    body = {"reference": "taxi-1", "amount": "12.50", "currency": "GBP", "category": "travel", "description": "Taxi to Paddington"}
    status, answer = api(host, "/api/claims", body)
    assert status in {200, 201}, answer
    return answer


def test_every_dependency_answers(host: Host) -> None:
    """`twine check` names each, and is content."""
    assert host.run("runuser --user twine -- twine check").rc == 0


def test_stranger_is_refused(host: Host) -> None:
    """Without a session there are no claims."""
    assert api(host, "/api/claims", cookies="/tmp/stranger")[0] == 401


def test_same_claim_again_is_the_same(host: Host, claim: dict[str, Any]) -> None:
    """A repeated request files nothing twice."""
    body = {"reference": "taxi-1", "amount": "12.50", "currency": "GBP", "category": "travel", "description": "Taxi to Paddington"}
    status, answer = api(host, "/api/claims", body)
    assert (status, answer["id"]) == (200, claim["id"])


def test_claim_is_found_by_search(host: Host, claim: dict[str, Any]) -> None:
    """The worker brings it to Elasticsearch, which answers."""
    ask = 'curl --silent --cookie /tmp/manager "http://127.0.0.1/api/search?q=paddington"'
    host.check_output(f"timeout 60 sh -c 'until {ask} | grep --quiet taxi-1; do sleep 0.5; done'")
    answer = find(host, "paddington")
    assert (answer["results"][0]["id"], answer["degraded"]) == (claim["id"], False)


def test_search_away_degrades_and_says_so(host: Host, claim: dict[str, Any]) -> None:
    """Without Elasticsearch claims are found in PostgreSQL, with a notice; the machine stays ready."""
    host.check_output("systemctl stop elasticsearch")
    try:
        answer = find(host, "paddington")
        assert (answer["results"][0]["id"], answer["degraded"]) == (claim["id"], True)
        assert answer["notice"]
        assert host.check_output("curl --silent --output /dev/null --write-out '%{http_code}' http://127.0.0.1/ready") == "200"
    finally:
        host.check_output("systemctl start --no-block elasticsearch")


def test_database_away_is_not_ready_but_alive(host: Host) -> None:
    """The balancer takes the machine out; nothing restarts it."""
    status = "curl --silent --output /dev/null --write-out %{http_code} http://127.0.0.1/ready"
    host.check_output("systemctl stop postgresql@15-main")
    try:
        # An answer may be a moment old: a balancer asks again as well.
        host.check_output(f"timeout 15 sh -c 'until [ $({status}) = 503 ]; do sleep 0.2; done'")
        assert host.check_output("curl --silent --output /dev/null --write-out '%{http_code}' http://127.0.0.1/health") == "200"
    finally:
        host.check_output("systemctl start postgresql@15-main")
        host.check_output("timeout 30 sh -c 'until curl --silent --fail http://127.0.0.1/ready; do sleep 0.2; done'")


def test_acknowledged_claim_survives_a_kill(host: Host, claim: dict[str, Any]) -> None:
    """The application is killed, comes back, and the claim is there; the session too."""
    host.check_output("systemctl kill --signal KILL twine.service")
    host.check_output("timeout 60 sh -c 'until curl --silent --fail http://127.0.0.1/health; do sleep 0.2; done'")
    assert api(host, f"/api/claims/{claim['id']}")[1]["reference"] == "taxi-1"


def test_page_and_style_are_served(host: Host) -> None:
    """A person gets a page, and nginx its style sheet."""
    assert "<form" in host.check_output("curl --silent --fail http://127.0.0.1/login")
    assert "max-age" in host.check_output("curl --silent --fail --include http://127.0.0.1/static/twine.css")


def test_secrets_are_in_no_argument_and_no_log(host: Host) -> None:
    """What is secret stays in its file."""
    for secret in ("molecule-database", "molecule-application", "molecule-search", PASSWORD, "0123456789abcdef0123456789abcdef"):
        assert secret not in host.check_output("ps -e -o args")
        assert secret not in host.check_output("journalctl --output cat")
    assert host.file("/etc/machine/secrets/database").mode == 0o640


def test_the_application_works_as_its_own_user_and_cannot_read_who_migrates(host: Host) -> None:
    """Two users of the database, two of the machine."""
    asked = "SELECT DISTINCT usename FROM pg_stat_activity WHERE application_name = 'twine'"
    assert host.check_output("psql -U postgres -At -c %s", asked) == "twine_application"
    assert "Permission denied" in host.run("runuser --user twine -- cat /etc/machine/secrets/database_admin").stderr
    assert host.run("runuser --user twine-admin -- cat /etc/machine/secrets/database_admin").rc == 0


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/etc/nginx/nginx.conf", "role      nginx"),
        ("/usr/bin/twine", "package   twine "),
        ("/etc/systemd/system/twine.service.d/twine.conf", "role      twine"),
    ],
)
def test_every_file_says_whence_it_came(host: Host, path: str, says: str) -> None:
    told = host.run(f"whence {path}")

    assert told.rc == 0, told.stdout
    assert says in told.stdout and "as it came" in told.stdout


def test_a_file_that_somebody_changed_is_called_changed(host: Host) -> None:
    path = "/etc/systemd/system/twine.service.d/twine.conf"
    host.check_output(f"cp --preserve=all {path} /tmp/kept && echo '# by hand' >> {path}")
    told = host.run(f"whence {path}")
    host.check_output(f"cp --preserve=all /tmp/kept {path}")

    assert told.rc == 1
    assert "CHANGED   content" in told.stdout
