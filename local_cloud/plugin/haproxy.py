"""HAProxy as an Application (or Network) Load Balancer: its configuration from ELBv2 records, its answers as facts. Pure but for `ask`.

Records are the emulator's (dicts with the API's member names). Targets never appear in the configuration but for those
that serve during a reload: each target group has SLOTS servers, filled and emptied through the runtime API.
"""

from __future__ import annotations

import csv
import re
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Record = Mapping[str, Any]
SLOTS = 40
SOCKET = "/run/haproxy.sock"
CONDITIONS = ("path-pattern", "host-header", "http-header", "http-request-method", "source-ip")
BALANCER_ATTRIBUTES = (
    "idle_timeout.timeout_seconds",
    "deletion_protection.enabled",
    "load_balancing.cross_zone.enabled",
    # HAProxy answers 400 to a request with such a header; ALB drops the header.
    "routing.http.drop_invalid_header_fields.enabled",
)
NETWORK_IDLE_SECONDS = 350
GROUP_DEFAULTS = {
    "deregistration_delay.timeout_seconds": "300",
    "stickiness.enabled": "false",
    "load_balancing.algorithm.type": "round_robin",
    "slow_start.duration_seconds": "0",
}


@dataclass(frozen=True)
class Listener:
    """A port and what happens to the requests that come to it."""

    port: int
    rules: Sequence[Record]  # by priority, the default rule last
    protocol: str = "HTTP"


@dataclass(frozen=True)
class Group:
    """A target group; `serving` maps a slot to the address of the healthy target in it."""

    record: Record
    attributes: Mapping[str, str]
    serving: Mapping[int, str] = field(default_factory=dict)


def attributes(listed: Sequence[Record]) -> dict[str, str]:
    return {str(item["Key"]): str(item["Value"]) for item in listed}


def backend(group_arn: str) -> str:
    """A name that is unique within an account: names of target groups are."""
    return "tg-" + group_arn.split(":targetgroup/")[-1].split("/")[0]


# --- what cannot be done -------------------------------------------------------------------------------------------


def refused_balancer(given: Mapping[str, str]) -> str | None:
    """Why a load balancer's attributes cannot be had here, or None: those that are known, and those that change nothing."""
    for key, value in given.items():
        if key not in BALANCER_ATTRIBUTES and value not in ("false", ""):
            return f"the load balancer attribute {key} is not to be had here"
    return None


def refused_listener(protocol: str, rules: Sequence[Record]) -> str | None:
    """Why a listener cannot be had here, or None."""
    if protocol not in ("HTTP", "TCP"):
        return f"the local cloud's load balancers speak HTTP and TCP, not {protocol}: leave the certificate away here"
    for rule in rules:
        for condition in rule.get("Conditions", []):
            if condition.get("Field") not in CONDITIONS:
                return f"a rule cannot look at {condition.get('Field')} here, only at {', '.join(CONDITIONS)}"
        for action in rule.get("Actions", []):
            if action.get("Type") not in ("forward", "redirect", "fixed-response"):
                return f"the action {action.get('Type')} is not to be had here, only forward, redirect and fixed-response"
            if len(action.get("ForwardConfig", {}).get("TargetGroups", [])) > 1:
                return "weighted target groups are not to be had here"
    return None


def refused_group(group: Record, given: Mapping[str, str]) -> str | None:
    """Why a target group cannot be had here, or None."""
    if group.get("Protocol", "HTTP") not in ("HTTP", "TCP") or group.get("HealthCheckProtocol", "HTTP") not in ("HTTP", "TCP"):
        return "targets are spoken to by HTTP or TCP here"
    if group.get("TargetType", "instance") not in ("instance", "ip"):
        return f"the target type {group['TargetType']} is not to be had here, only instance and ip"
    for key, value in {**GROUP_DEFAULTS, **given}.items():
        if key == "stickiness.enabled" and value == "true":
            return "stickiness is not to be had here: sessions live in the shared Redis"
        if key == "slow_start.duration_seconds" and value != "0":
            return "slow start is not to be had here"
        if key == "load_balancing.algorithm.type" and value not in ("round_robin", "least_outstanding_requests"):
            return f"the algorithm {value} is not to be had here"
    return None


# --- the configuration ---------------------------------------------------------------------------------------------


def render(balancer_attributes: Mapping[str, str], listeners: Sequence[Listener], groups: Sequence[Group], digest: str = "") -> str:
    """The whole haproxy.cfg. `digest` names this configuration in `show info`, so that a reload can be waited for."""
    idle = int(balancer_attributes.get("idle_timeout.timeout_seconds", "60"))
    lines = [
        "global",
        f"    stats socket {SOCKET} mode 600 level admin expose-fd listeners",
        "    stats timeout 10m",
        f"    description {digest or 'none'}",
        "    maxconn 4000",
        f"    hard-stop-after {idle + 5}s",
        "defaults",
        "    mode http",
        "    timeout connect 10s",
        "    timeout queue 10s",
        *(f"    timeout {what} {idle}s" for what in ("client", "server", "http-request", "http-keep-alive")),
        # Only a connection that could not be made is tried again, and elsewhere: no request is ever sent twice.
        "    retries 2",
        "    retry-on conn-failure",
        "    option redispatch 1",
        # As ALB does, idle connections to targets are kept and shared: a target that closes them earlier shows as a 502.
        "    http-reuse always",
        f"    default-server pool-purge-delay {idle}s",
    ]
    for listener in listeners:
        lines += _frontend(listener)
    for group in groups:
        lines += _backend(group)
    return "\n".join(lines) + "\n"


def _frontend(listener: Listener) -> list[str]:
    if listener.protocol == "TCP":
        target = backend(_forward(listener.rules[-1]["Actions"][0]))
        timeout = f"    timeout client {NETWORK_IDLE_SECONDS}s"
        return [f"frontend listener-{listener.port}", "    mode tcp", timeout, f"    bind :{listener.port}", f"    default_backend {target}"]
    lines = [
        f"frontend listener-{listener.port}",
        f"    bind :{listener.port}",
        "    option forwardfor",
        "    http-request set-header X-Forwarded-Proto http",
        f"    http-request set-header X-Forwarded-Port {listener.port}",
    ]
    uses = []
    for number, rule in enumerate(listener.rules):
        tests = " ".join(_condition(condition) for condition in rule.get("Conditions", []))
        lines.append(f"    http-request set-var(txn.rule) int({number}) if {tests}{' ' if tests else ''}!{{ var(txn.rule) -m found }}")
        chosen = f"if {{ var(txn.rule) -m int {number} }}"
        for action in rule.get("Actions", []):
            if action["Type"] == "forward":
                uses.append(f"    use_backend {backend(_forward(action))} {chosen}")
            elif action["Type"] == "redirect":
                lines.append(f"    http-request redirect code {action['RedirectConfig']['StatusCode'][-3:]} {_location(action)} {chosen}")
            else:
                lines.append(f"    http-request return {_fixed(action['FixedResponseConfig'])} {chosen}")
    return lines + uses


def _forward(action: Record) -> str:
    return str(action.get("TargetGroupArn") or action["ForwardConfig"]["TargetGroups"][0]["TargetGroupArn"])


def _quote(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _pattern(text: str) -> str:
    """ALB's * and ? as a regular expression."""
    return _quote("^" + "".join({"*": ".*", "?": "."}.get(letter, re.escape(letter)) for letter in text) + "$")


def _condition(condition: Record) -> str:
    values = condition.get("Values") or []
    match condition["Field"]:
        case "path-pattern":
            return f"{{ path -m reg {' '.join(map(_pattern, values))} }}"
        case "host-header":
            return f"{{ req.hdr(host),field(1,:) -m reg -i {' '.join(map(_pattern, values))} }}"
        case "http-request-method":
            return f"{{ method {' '.join(map(_quote, values))} }}"
        case "source-ip":
            return f"{{ src {' '.join(map(_quote, values))} }}"
    header = condition["HttpHeaderConfig"]
    return f"{{ req.hdr({header['HttpHeaderName']}) -m reg -i {' '.join(map(_pattern, header['Values']))} }}"


def _location(action: Record) -> str:
    """Where a redirect leads; what it leaves as it was is taken from the request, published port included."""
    to = {"Protocol": "#{protocol}", "Port": "#{port}", "Host": "#{host}", "Path": "/#{path}", "Query": "#{query}", **action["RedirectConfig"]}
    same_place = to["Host"] == "#{host}" and to["Port"] == "#{port}"
    place = "%[req.hdr(host)]" if same_place else f"{to['Host']}:{to['Port']}"
    query = f"?{to['Query']}" if to["Query"] else ""
    known = {
        "protocol": "http",
        "host": "%[req.hdr(host),field(1,:)]",
        "port": "%[dst_port]",
        "path": "%[path,regsub(^/,)]",
        "query": "%[query]",
    }
    text = f"{to['Protocol'].lower()}://{place}{to['Path']}{query}"
    return 'location "' + re.sub(r"#\{(\w+)\}", lambda found: known[found[1]], text) + '"'


def _fixed(response: Record) -> str:
    body = f"content-type {_quote(response.get('ContentType', 'text/plain'))} string {_quote(response.get('MessageBody', ''))}"
    return f"status {response['StatusCode']} {body}"


def _backend(group: Group) -> list[str]:
    record, given = group.record, {**GROUP_DEFAULTS, **group.attributes}
    port = record["Port"]
    balance = {"round_robin": "roundrobin", "least_outstanding_requests": "leastconn"}[given["load_balancing.algorithm.type"]]
    check_port = "" if record["HealthCheckPort"] == "traffic-port" else f" port {record['HealthCheckPort']}"
    options = (
        f"check{check_port} inter {record['HealthCheckIntervalSeconds']}s"
        f" rise {record['HealthyThresholdCount']} fall {record['UnhealthyThresholdCount']}"
    )
    by_http = record["HealthCheckProtocol"] == "HTTP"
    headers = f"hdr Host {backend(record['TargetGroupArn'])} hdr User-Agent ELB-HealthChecker/2.0 hdr Connection close"
    lines = [
        f"backend {backend(record['TargetGroupArn'])}",
        f"    balance {balance}",
        *(["    mode tcp", f"    timeout server {NETWORK_IDLE_SECONDS}s"] if record["Protocol"] == "TCP" else []),
        "    option httpchk" if by_http else "    option tcp-check",
        *([f"    http-check send meth GET uri {record['HealthCheckPath']} ver HTTP/1.1 {headers}"] if by_http else []),
        *([f"    http-check expect status {record['Matcher']['HttpCode']}"] if by_http else []),
        f"    timeout check {record['HealthCheckTimeoutSeconds']}s",
        f"    default-server {options}",
    ]
    for slot in range(1, SLOTS + 1):
        address = group.serving.get(slot)
        lines.append(f"    server s{slot} {address}" if address else f"    server s{slot} 0.0.0.0:{port} disabled")
    return lines


# --- the runtime API -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Counters:
    """What a frontend, backend or server has done since its process started, and how it stands."""

    status: str = ""  # UP, UP 1/2, DOWN, DOWN 1/2, MAINT, DRAIN, OPEN
    check: str = ""  # L7OK, L4TOUT, L7STS …; empty while none has ended
    check_code: str = ""
    sessions: int = 0
    requests: int = 0
    response_ms: int = 0
    codes: tuple[int, ...] = (0, 0, 0, 0)  # 2xx, 3xx, 4xx, 5xx
    address: str = ""


def parse(answer: str) -> dict[tuple[str, str], Counters]:
    """`show stat` as {(proxy, server): counters}; FRONTEND and BACKEND are servers in HAProxy's words."""

    def number(row: Mapping[str, str], key: str) -> int:
        return int(row.get(key) or 0)

    rows = csv.DictReader(answer.lstrip("# \n").splitlines())
    return {
        (row["pxname"], row["svname"]): Counters(
            status=row["status"],
            check="" if row.get("check_status", "").strip() in ("", "INI", "UNK") else row["check_status"].strip("* "),
            check_code=row.get("check_code") or "",
            sessions=number(row, "scur"),
            requests=number(row, "req_tot") or number(row, "stot"),
            response_ms=number(row, "rtime"),
            codes=tuple(number(row, f"hrsp_{n}xx") for n in (2, 3, 4, 5)),
            address=row.get("addr") or "",
        )
        for row in rows
        if row.get("svname")
    }


def ask(pid: int, *commands: str, timeout: float = 5) -> str:
    """Carry out commands in the balancer whose main process has this id: its socket is reached through its root folder."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout)
        connection.connect(f"/proc/{pid}/root{SOCKET}")
        connection.sendall("; ".join(commands).encode() + b"\n")
        answer = b""
        while part := connection.recv(65536):
            answer += part
    return answer.decode()
