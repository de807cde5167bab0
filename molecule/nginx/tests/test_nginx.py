"""Before the application: addresses, time-outs, stopping, logging."""

from __future__ import annotations

import json

import pytest
from testinfra.host import Host


def headers_seen(host: Host, command: str) -> dict[str, str]:
    """Return the headers with which a request reached the application."""
    seen: dict[str, str] = json.loads(host.check_output(f"curl --silent --fail {command}"))["headers"]
    return seen


def test_client_address_is_the_last_that_is_not_ours(host: Host) -> None:
    """A balancer in the VPC is believed, and a client's own claim before it is not."""
    address = host.check_output("hostname --ip-address").split()[0]
    headers = headers_seen(host, f"--header 'X-Forwarded-For: 198.51.100.1, 203.0.113.9, 10.1.2.3' http://{address}/")
    assert headers["X-Forwarded-For"] == "203.0.113.9"


def test_forwarded_address_from_elsewhere_is_not_believed(host: Host) -> None:
    """Loopback is no balancer."""
    headers = headers_seen(host, "--header 'X-Forwarded-For: 203.0.113.9' http://127.0.0.1/")
    assert headers["X-Forwarded-For"] == "127.0.0.1"


def test_connection_outlives_a_request(host: Host) -> None:
    """Two requests take one connection, and it is kept longer than a balancer keeps it (60 s)."""
    connects = host.check_output(
        "curl --silent --output /dev/null --output /dev/null --write-out '%{num_connects} ' http://127.0.0.1/ http://127.0.0.1/"
    )
    assert connects.split() == ["1", "0"]
    assert "keepalive_timeout 75s;" in host.check_output("nginx -T 2>/dev/null")


def test_names_no_version(host: Host) -> None:
    """The header tells nothing that a scanner could use."""
    lines = host.check_output("curl --silent --head http://127.0.0.1/static/twine.css").splitlines()
    assert "Server: nginx" in [line.strip() for line in lines]


def test_static_files_need_no_application(host: Host) -> None:
    """With the application away its style sheet is served, to be kept for an hour."""
    host.check_output("systemctl stop twine")
    try:
        answer = host.check_output("curl --silent --include http://127.0.0.1/static/twine.css")
        assert "max-age=3600" in answer
        assert "body {}" in answer
        assert host.check_output("curl --silent --output /dev/null --write-out '%{http_code}' http://127.0.0.1/") == "502"
    finally:
        host.check_output("systemctl start twine")
        host.check_output("timeout 10 sh -c 'until curl --silent --fail http://127.0.0.1/; do sleep 0.1; done'")


@pytest.mark.parametrize("verb", ["stop", "reload"])
def test_request_under_way_is_answered(host: Host, verb: str) -> None:
    """Stopping and reloading wait for a request that was begun."""
    script = (
        "curl --silent --output /dev/null --write-out '%{http_code}' http://127.0.0.1/slow & "
        "timeout 5 sh -c 'until ss --no-header state established src 127.0.0.1:80 | grep --quiet .; do sleep 0.05; done'; "
        f"systemctl {verb} nginx; wait"
    )
    try:
        assert host.check_output(script) == "200"
    finally:
        host.check_output("systemctl start nginx")


def test_body_over_the_limit_is_refused(host: Host) -> None:
    """An expense claim is small; what is not is refused before the application sees it."""
    script = "head --bytes 1100000 /dev/zero | curl --silent --output /dev/null --write-out '%{http_code}' --data-binary @- http://127.0.0.1/"
    assert host.check_output(script) == "413"


def test_log_is_json_without_secrets(host: Host) -> None:
    """Path and status are in the journal, the query, cookies and tokens are not."""
    host.check_output(
        "curl --silent --header 'Cookie: twine_session=s3cret' --header 'Authorization: Bearer s3cret' 'http://127.0.0.1/claims?token=s3cret'"
    )
    find = "journalctl --identifier nginx --output cat | grep /claims"
    lines = host.check_output(f"timeout 10 sh -c 'until {find}; do sleep 0.2; done'").splitlines()
    record = json.loads(lines[-1])
    assert (record["path"], record["status"], record["method"]) == ("/claims", 200, "GET")
    assert "s3cret" not in host.check_output("journalctl --identifier nginx --output cat")


def test_health_checks_do_not_fill_the_log(host: Host) -> None:
    """A balancer asks every few seconds: an answer of 200 to it is not logged."""
    host.check_output("curl --silent --fail http://127.0.0.1/health")
    host.check_output("curl --silent --fail http://127.0.0.1/after-health")
    host.check_output("timeout 10 sh -c 'until journalctl --identifier nginx --output cat | grep after-health; do sleep 0.2; done'")
    assert '"path":"/health"' not in host.check_output("journalctl --identifier nginx --output cat")
