"""ELBv2 records as HAProxy's configuration, and HAProxy's statistics as facts."""

from __future__ import annotations

from typing import Any

import pytest

from local_cloud.plugin import haproxy
from local_cloud.plugin.haproxy import Group, Listener

ARN = "arn:aws:elasticloadbalancing:eu-west-2:111111111111:targetgroup/app/0123456789abcdef"
RECORD: dict[str, Any] = {
    "TargetGroupArn": ARN,
    "Protocol": "HTTP",
    "Port": 80,
    "HealthCheckProtocol": "HTTP",
    "HealthCheckPort": "traffic-port",
    "HealthCheckPath": "/ready",
    "HealthCheckIntervalSeconds": 5,
    "HealthCheckTimeoutSeconds": 4,
    "HealthyThresholdCount": 2,
    "UnhealthyThresholdCount": 3,
    "Matcher": {"HttpCode": "200-204,301"},
}
FORWARD = {"Conditions": [], "Actions": [{"Type": "forward", "TargetGroupArn": ARN}]}


def render(rules: list[dict[str, Any]] | None = None, **attributes: str) -> list[str]:
    text = haproxy.render(attributes, [Listener(80, rules or [FORWARD])], [Group(RECORD, {}, {2: "10.0.0.7:80"})], "abc")
    return [line.strip() for line in text.splitlines()]


def test_health_check() -> None:
    lines = render()

    assert "default-server check inter 5s rise 2 fall 3" in lines
    assert "http-check expect status 200-204,301" in lines
    assert "timeout check 4s" in lines
    assert any(line.startswith("http-check send meth GET uri /ready ver HTTP/1.1 ") for line in lines)


def test_idle_timeout() -> None:
    text = haproxy.render({"idle_timeout.timeout_seconds": "45"}, [], [])

    for what in ("client", "server", "http-keep-alive"):
        assert f"timeout {what} 45s" in text
    assert "pool-purge-delay 45s" in text


def test_no_request_is_sent_twice() -> None:
    assert "retry-on conn-failure" in render()


def test_only_serving_targets_are_written() -> None:
    servers = [line for line in render() if line.startswith("server ")]

    assert len(servers) == haproxy.SLOTS
    assert [line for line in servers if not line.endswith(" disabled")] == ["server s2 10.0.0.7:80"]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"Field": "path-pattern", "Values": ["/a/*", "/it's"]}, "{ path -m reg '^/a/.*$' '^/it'\\''s$' }"),
        ({"Field": "host-header", "Values": ["*.example.com"]}, "{ req.hdr(host),field(1,:) -m reg -i '^.*\\.example\\.com$' }"),
        ({"Field": "http-request-method", "Values": ["GET", "HEAD"]}, "{ method 'GET' 'HEAD' }"),
        ({"Field": "source-ip", "Values": ["10.0.0.0/8"]}, "{ src '10.0.0.0/8' }"),
        (
            {"Field": "http-header", "Values": [], "HttpHeaderConfig": {"HttpHeaderName": "X-A", "Values": ["b?"]}},
            "{ req.hdr(X-A) -m reg -i '^b.$' }",
        ),
    ],
)
def test_conditions(condition: dict[str, Any], expected: str) -> None:
    lines = render([{"Conditions": [condition], "Actions": FORWARD["Actions"]}, FORWARD])

    assert f"http-request set-var(txn.rule) int(0) if {expected} !{{ var(txn.rule) -m found }}" in lines


def test_a_redirect_keeps_what_it_does_not_name() -> None:
    rule = {"Conditions": [], "Actions": [{"Type": "redirect", "RedirectConfig": {"StatusCode": "HTTP_301", "Path": "/new/#{path}"}}]}

    assert (
        'http-request redirect code 301 location "http://%[req.hdr(host)]/new/%[path,regsub(^/,)]?%[query]" if { var(txn.rule) -m int 0 }'
        in render([rule])
    )


def test_a_fixed_response() -> None:
    rule = {"Conditions": [], "Actions": [{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "503", "MessageBody": "later"}}]}

    assert "http-request return status 503 content-type 'text/plain' string 'later' if { var(txn.rule) -m int 0 }" in render([rule])


def test_a_network_balancer_passes_connections_on() -> None:
    group = Group({**RECORD, "Protocol": "TCP", "HealthCheckProtocol": "TCP", "Port": 9200}, {})
    text = haproxy.render({}, [Listener(9200, [FORWARD], "TCP")], [group])

    assert text.count("mode tcp") == 2
    assert "option tcp-check" in text
    assert "default_backend tg-app" in text


@pytest.mark.parametrize(
    ("protocol", "rule", "why"),
    [
        ("HTTPS", FORWARD, "HTTPS"),
        ("HTTP", {"Conditions": [{"Field": "query-string"}]}, "query-string"),
        ("HTTP", {"Actions": [{"Type": "authenticate-oidc"}]}, "authenticate-oidc"),
        ("HTTP", {"Actions": [{"Type": "forward", "ForwardConfig": {"TargetGroups": [{}, {}]}}]}, "weighted"),
    ],
)
def test_refuses_listeners(protocol: str, rule: dict[str, Any], why: str) -> None:
    assert why in (haproxy.refused_listener(protocol, [rule]) or "")


@pytest.mark.parametrize(
    ("group", "attributes", "why"),
    [
        ({"Protocol": "HTTPS"}, {}, "HTTP"),
        ({"TargetType": "lambda"}, {}, "lambda"),
        ({}, {"stickiness.enabled": "true"}, "stickiness"),
        ({}, {"slow_start.duration_seconds": "30"}, "slow start"),
        ({}, {"load_balancing.algorithm.type": "weighted_random"}, "weighted_random"),
    ],
)
def test_refuses_target_groups(group: dict[str, Any], attributes: dict[str, str], why: str) -> None:
    assert why in (haproxy.refused_group(group, attributes) or "")


def test_accepts_the_ordinary() -> None:
    assert haproxy.refused_listener("HTTP", [FORWARD]) is None
    assert haproxy.refused_group(RECORD, {"deregistration_delay.timeout_seconds": "60"}) is None
    assert haproxy.refused_balancer({"idle_timeout.timeout_seconds": "60", "access_logs.s3.enabled": "false"}) is None


def test_statistics() -> None:
    names = "pxname,svname,scur,stot,hrsp_2xx,hrsp_3xx,hrsp_4xx,hrsp_5xx,rtime,req_tot,status,check_status,check_code,chkfail,addr"
    answer = f"# {names},\ntg-app,s1,2,9,7,0,1,1,12,,UP 1/3,* L7STS,503,4,10.0.0.7:80,\nlistener-80,FRONTEND,1,9,9,0,0,0,,30,OPEN,,,,,\n\n"
    found = haproxy.parse(answer)

    server = found["tg-app", "s1"]
    assert (server.status, server.check, server.check_code, server.sessions, server.requests) == ("UP 1/3", "L7STS", "503", 2, 9)
    assert server.codes == (7, 0, 1, 1)
    assert found["listener-80", "FRONTEND"].requests == 30
