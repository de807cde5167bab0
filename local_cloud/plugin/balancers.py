"""Application Load Balancers: one HAProxy each, kept as the emulator's ELBv2 records say.

The API and CloudFormation write records; a loop compares them with what runs and acts: containers, configuration, targets.
Targets come and go through HAProxy's runtime API, so that nothing reloads when the group behind a balancer changes.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ministack.services import alb, ec2

from local_cloud.plugin import emulator, engine, fabric, haproxy, instances, metrics, settings, targets
from local_cloud.plugin.haproxy import Counters
from local_cloud.plugin.requests import Refused
from local_cloud.plugin.targets import Target

log = logging.getLogger("local_cloud.balancers")
FIRST_PORT, PORTS = 10, 40
TICK = 0.5
NAMESPACE = "AWS/ApplicationELB"
Record = dict[str, Any]


@dataclass
class Balancer:
    """A running HAProxy. `pid` is 0 while its container does not run; `digest` names the configuration it runs with."""

    arn: str
    account: str
    name: str
    container: str
    place: fabric.Place
    port: int
    pid: int = 0
    digest: str = ""
    groups: list[str] = field(default_factory=list)
    targets: dict[str, list[Target]] = field(default_factory=dict)
    orphans: set[tuple[str, str]] = field(default_factory=set)  # draining when HAProxy was reloaded: the old process has their sessions
    seen: dict[tuple[str, str], Counters] = field(default_factory=dict)
    counted: dict[str, Counters] = field(default_factory=dict)


_balancers: dict[str, Balancer] = {}
_wake = threading.Event()


def wake() -> None:
    _wake.set()


def wait_until(done: Callable[[], bool], seconds: float, what: str) -> None:
    """Wait on a condition that a loop brings about; for threads that may block."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not done():
        if time.monotonic() > deadline:
            raise ValueError(f"Failed to {what} within {seconds:g} s. Look at `docker logs {settings.PREFIX}-cloud`.")
        pause.wait(0.1)


# --- records ------------------------------------------------------------------------------------------------------


def _listeners(arn: str) -> list[haproxy.Listener]:
    def place(rule: Mapping[str, Any]) -> float:
        return float("inf") if rule["Priority"] == "default" else int(rule["Priority"])

    found = []
    for listener in alb._listeners.values():
        if listener["LoadBalancerArn"] == arn:
            rules = [rule for rule in alb._rules.values() if rule["ListenerArn"] == listener["ListenerArn"]]
            found.append(haproxy.Listener(listener["Port"], sorted(rules, key=place), listener["Protocol"]))
    return sorted(found, key=lambda listener: listener.port)


def _groups(listeners: list[haproxy.Listener]) -> list[str]:
    actions = [action for listener in listeners for rule in listener.rules for action in rule["Actions"] if action["Type"] == "forward"]
    return sorted({action["TargetGroupArn"] for action in actions if action.get("TargetGroupArn") in alb._tgs})


def _delay(group_arn: str) -> float:
    given = {**haproxy.GROUP_DEFAULTS, **haproxy.attributes(alb._tg_attrs.get(group_arn, []))}
    return float(given["deregistration_delay.timeout_seconds"]) / settings.CLOCK_FACTOR


def address_of(target: Record) -> str | None:
    """Where a registered target is; None for an instance that does not run."""
    if not str(target["Id"]).startswith("i-"):
        return str(target["Id"])
    instance = ec2._instances.get(target["Id"])
    return str(instance["PrivateIpAddress"]) if instance and instance["State"]["Name"] == "running" else None


def port_of(group: Record, target: Record) -> int:
    return int(target.get("Port") or group["Port"])


# --- containers ---------------------------------------------------------------------------------------------------


def _create(record: Record) -> Balancer:
    """Start HAProxy in the balancer's first subnet; one that faces the internet is published on the first free port."""
    place = fabric.place(record["Subnets"][0])
    container = f"{settings.PREFIX}-lb-{emulator.account()[0]}-{record['LoadBalancerName']}"
    taken = {balancer.port for balancer in _balancers.values()}
    first = settings.PORT_BASE + FIRST_PORT
    ports = [port for port in range(first, first + PORTS) if port not in taken] if record["Scheme"] == "internet-facing" else [0]
    for port in ports:
        engine.remove(container)
        engine.create_container(
            container,
            settings.image("balancer"),
            network=place.network,
            ip=place.address,
            aliases=[record["DNSName"]],
            publish={80: port} if port else {},
            cpu_shares=settings.SHARES_OF_A_PROCESSOR,
            labels={settings.LABEL_ROLE: "balancer", settings.LABEL_ACCOUNT: emulator.account()},
        )
        made = Balancer(record["LoadBalancerArn"], emulator.account(), record["LoadBalancerName"], container, place, port)
        try:
            _run(made, record)
            return made
        except engine.EngineError as error:
            if port and ("port is already allocated" in str(error) or "address already in use" in str(error)):
                continue
            engine.remove(container)
            fabric.release(place)
            raise
    engine.remove(container)
    fabric.release(place)
    raise engine.EngineError(f"Failed to publish {record['LoadBalancerName']}: no free port from {first} on", 500)


def _run(balancer: Balancer, record: Record) -> None:
    """Start (again): a new process knows no targets yet."""
    balancer.targets.clear()
    balancer.counted.clear()
    text, digest = _configuration(balancer)
    engine.put_file(balancer.container, "/etc/haproxy/haproxy.cfg", text)
    balancer.pid = engine.start(balancer.container).pid
    balancer.digest = digest
    balancer.groups = list(record["SecurityGroups"]) or [ec2._vpcs[record["VpcId"]]["DefaultSecurityGroupId"]]
    fabric.enroll(balancer.container, balancer.place.subnet_id, balancer.groups)


def _remove(balancer: Balancer) -> None:
    engine.remove(balancer.container)
    fabric.withdraw(balancer.container)
    fabric.release(balancer.place)
    _balancers.pop(balancer.arn, None)


def _configuration(balancer: Balancer) -> tuple[str, str]:
    """What HAProxy should run with, and its digest, which leaves out who serves just now."""
    listeners = _listeners(balancer.arn)
    given = haproxy.attributes(alb._lb_attrs.get(balancer.arn, []))

    def render(digest: str, with_targets: bool) -> str:
        groups = []
        for arn in _groups(listeners):
            serving = {t.slot: f"{t.address}:{t.port}" for t in balancer.targets.get(arn, []) if with_targets and t.state == "healthy"}
            groups.append(haproxy.Group(alb._tgs[arn], haproxy.attributes(alb._tg_attrs.get(arn, [])), serving))
        return haproxy.render(given, listeners, groups, digest)

    digest = hashlib.sha256(render("", False).encode()).hexdigest()[:12]
    return render(digest, True), digest


def _reload(balancer: Balancer) -> None:
    """A new worker takes over the listening sockets; the old one ends with its last session."""
    text, digest = _configuration(balancer)
    if digest == balancer.digest:
        return
    engine.put_file(balancer.container, "/etc/haproxy/next.cfg", text)
    code, output = engine.exec_in(balancer.container, ["haproxy", "-c", "-f", "/etc/haproxy/next.cfg"], check=False)
    balancer.digest = digest
    if code:
        log.error("Failed to configure %s, the old configuration stays: %s", balancer.name, output.strip())
        return
    engine.put_file(balancer.container, "/etc/haproxy/haproxy.cfg", text)
    engine.kill(balancer.container, "USR2")
    wait_until(lambda: f"description: {digest}" in _ask(balancer, "show info"), 10, f"reload {balancer.name}")
    for arn, present in balancer.targets.items():
        balancer.orphans |= {(arn, target.id) for target in present if target.state == "draining"}
        balancer.targets[arn] = [target for target in present if target.state in ("healthy", "draining")]
    balancer.counted.clear()


def _ask(balancer: Balancer, *commands: str) -> str:
    """HAProxy's answer; nothing while it starts."""
    try:
        return haproxy.ask(balancer.pid, *commands) if balancer.pid else ""
    except OSError:
        return ""


# --- the loop -----------------------------------------------------------------------------------------------------


def _sync(record: Record) -> None:
    """Bring one balancer to what its records say, and take in what HAProxy says."""
    balancer = _balancers.get(record["LoadBalancerArn"])
    if balancer is None:
        _balancers[record["LoadBalancerArn"]] = balancer = _create(record)
    elif not balancer.pid:
        _run(balancer, record)
    elif record["SecurityGroups"] and sorted(balancer.groups) != sorted(record["SecurityGroups"]):
        balancer.groups = list(record["SecurityGroups"])
        fabric.set_groups(balancer.container, balancer.groups)
    _reload(balancer)
    answer = _ask(balancer, "show stat")
    if not answer:
        return
    balancer.seen = haproxy.parse(answer)
    used = _groups(_listeners(balancer.arn))
    commands = [command for arn in used for command in _sync_group(balancer, arn)]
    for arn in set(balancer.targets) - set(used):
        balancer.targets.pop(arn)
    if commands:
        _ask(balancer, *commands)
    record["State"] = "active"


def _sync_group(balancer: Balancer, arn: str) -> Iterator[str]:
    """Commands that put new targets in, let gone ones drain, and follow the checks of the others."""
    group, now = alb._tgs[arn], time.monotonic()
    health = targets.Health(group["HealthCheckIntervalSeconds"], group["HealthCheckTimeoutSeconds"], group["UnhealthyThresholdCount"])
    wanted = {(t["Id"], port_of(group, t)): address for t in alb._targets.get(arn, []) if (address := address_of(t))}
    kept: list[Target] = []
    for before in balancer.targets.get(arn, []):
        target, server = before, f"{haproxy.backend(arn)}/s{before.slot}"
        if (target.id, target.port) not in wanted and target.state != "draining":
            target, commands = targets.drain(server, before, now, _delay(arn))
            yield from commands
            # What was counted before it drained says nothing of the requests that came since: the next look does.
            kept.append(target)
            continue
        seen = balancer.seen.get((haproxy.backend(arn), f"s{target.slot}"), Counters())
        if (arn, target.id) in balancer.orphans:
            seen = Counters(sessions=1)
        after, commands = targets.observe(server, target, seen, now, health)
        yield from commands
        if after:
            kept.append(after)
        else:
            balancer.orphans.discard((arn, target.id))
    present = {(target.id, target.port) for target in kept if target.state != "draining"}
    for (identity, port), address in wanted.items():
        slot = targets.free_slot({target.slot for target in kept}, haproxy.SLOTS)
        if (identity, port) not in present and slot:
            new = Target(identity, port, address, slot, now)
            kept.append(new)
            yield from targets.enter(f"{haproxy.backend(arn)}/s{slot}", new)
    balancer.targets[arn] = kept


def _loop() -> None:
    for stale in engine.containers(twine__role="balancer"):
        engine.remove(stale.name)
    while True:
        _wake.wait(TICK)
        _wake.clear()
        for account_id in settings.ACCOUNTS.values():
            with emulator.scope(account_id):
                for record in alb._lbs.values():
                    try:
                        _sync(record)
                    except (engine.EngineError, Refused, OSError, ValueError, RuntimeError):
                        log.exception("Failed to run the load balancer %s", record["LoadBalancerName"])
                        record["_failed"] = True
                for balancer in [b for b in _balancers.values() if b.account == account_id and b.arn not in alb._lbs]:
                    _remove(balancer)


# --- what others ask ----------------------------------------------------------------------------------------------


def targets_of(group_arn: str) -> list[Target]:
    """Every target of a group that a balancer knows, draining ones included."""
    return [target for balancer in list(_balancers.values()) for target in balancer.targets.get(group_arn, [])]


def health(group_arn: str, target_id: str) -> str:
    """initial, healthy, unhealthy, draining, or unused when it is not there."""
    states = [target.state for target in targets_of(group_arn) if target.id == target_id]
    return next((state for state in ("healthy", "initial", "unhealthy", "draining") if state in states), "unused")


def register(group_arn: str, instance_id: str) -> None:
    listed = alb._targets.setdefault(group_arn, [])
    if group_arn in alb._tgs and all(target["Id"] != instance_id for target in listed):
        listed.append({"Id": instance_id})
        wake()


def deregister(group_arn: str, instance_id: str) -> None:
    alb._targets[group_arn] = [target for target in alb._targets.get(group_arn, []) if target["Id"] != instance_id]
    wake()


def addresses() -> dict[str, str]:
    names = {number: name for name, number in settings.ACCOUNTS.items()}
    return {f"{names[b.account]}/{b.name}": f"http://127.0.0.1:{b.port}" for b in _balancers.values() if b.pid and b.port}


def present(arn: str) -> bool:
    """Whether a balancer's container is there."""
    return arn in _balancers


def healthy_targets(group_arn: str) -> int:
    return sum(target.state == "healthy" for target in targets_of(group_arn))


# --- metrics ------------------------------------------------------------------------------------------------------


def _since(balancer: Balancer, key: str, now: Counters) -> Counters:
    """What was counted since the last metric minute; a process that began anew counts from nothing."""
    before = balancer.counted.get(key, Counters())
    balancer.counted[key] = now
    if now.requests < before.requests:
        before = Counters()
    return Counters(requests=now.requests - before.requests, codes=tuple(a - b for a, b in zip(now.codes, before.codes, strict=True)))


def _total(balancer: Balancer, chosen: Callable[[str, str], bool]) -> Counters:
    found = [counters for key, counters in balancer.seen.items() if chosen(*key)]
    codes = tuple(sum(counters.codes[n] for counters in found) for n in range(4))
    return Counters(requests=sum(c.requests for c in found), sessions=sum(c.sessions for c in found), codes=codes)


def _measure(seconds: float) -> None:
    for balancer in [b for b in _balancers.values() if b.account == emulator.account() and b.pid]:
        if alb._lbs.get(balancer.arn, {}).get("Type") == "network":
            continue
        place = {"LoadBalancer": balancer.arn.split(":loadbalancer/")[-1]}
        fronts = _total(balancer, lambda proxy, server: server == "FRONTEND")
        behind = _total(balancer, lambda proxy, server: proxy.startswith("tg-") and server.startswith("s"))
        front, targets_codes = _since(balancer, "front", fronts), _since(balancer, "behind", behind)
        metrics.put(NAMESPACE, "RequestCount", front.requests, "Count", place)
        metrics.put(NAMESPACE, "ActiveConnectionCount", fronts.sessions, "Count", place)
        own_errors = max(0, front.codes[3] - targets_codes.codes[3])
        metrics.put(NAMESPACE, "HTTPCode_ELB_5XX_Count", own_errors, "Count", place)
        _put_codes(targets_codes, place)
        for arn in list(balancer.targets):
            _measure_group(balancer, arn, place)


def _put_codes(counted: Counters, dimensions: Mapping[str, str]) -> None:
    for name, number in zip(("2XX", "3XX", "4XX", "5XX"), counted.codes, strict=True):
        metrics.put(NAMESPACE, f"HTTPCode_Target_{name}_Count", number, "Count", dimensions)


def _measure_group(balancer: Balancer, arn: str, place: Mapping[str, str]) -> None:
    name = haproxy.backend(arn)
    total = _total(balancer, lambda proxy, server: proxy == name and server.startswith("s"))
    counted = _since(balancer, arn, total)
    dimensions = {**place, "TargetGroup": f"targetgroup/{arn.split(':targetgroup/')[-1]}"}
    states = [target.state for target in balancer.targets[arn]]
    healthy = states.count("healthy")
    metrics.put(NAMESPACE, "HealthyHostCount", healthy, "Count", dimensions)
    metrics.put(NAMESPACE, "UnHealthyHostCount", states.count("unhealthy") + states.count("initial"), "Count", dimensions)
    metrics.put(NAMESPACE, "RequestCount", counted.requests, "Count", dimensions)
    _put_codes(counted, dimensions)
    if healthy:
        # Requests are not sped up: the count of a short metric minute stands for a whole one, as scaling targets are written.
        rate = counted.requests * settings.CLOCK_FACTOR / healthy
        metrics.put(NAMESPACE, "RequestCountPerTarget", rate, "Count", dimensions)
    busy = [
        balancer.seen[key]
        for key in balancer.seen
        if key[0] == name and key[1].startswith("s") and balancer.seen[key].sessions + balancer.seen[key].requests
    ]
    if counted.requests and busy:
        weight = sum(counters.requests for counters in busy)
        mean = sum(counters.response_ms * counters.requests for counters in busy) / weight / 1000
        metrics.put_samples(NAMESPACE, "TargetResponseTime", mean, counted.requests, "Seconds", dimensions)
        metrics.put_samples(NAMESPACE, "TargetResponseTime", mean, counted.requests, "Seconds", place)


# --- beginnings ---------------------------------------------------------------------------------------------------


def _died(name: str, labels: Mapping[str, str], exit_code: int) -> None:
    """Killed from outside: the loop starts it again, under the same address and port."""
    for balancer in _balancers.values():
        if balancer.container == name:
            balancer.pid = 0
            wake()


def _instance_event(event: str, account_id: str, record: Record) -> None:
    """An instance that ends leaves its target groups, as at AWS."""
    if event == "terminating":
        for arn in list(alb._targets):
            deregister(arn, record["InstanceId"])
    wake()


def install() -> None:
    engine.on_died(_died)
    instances.on_event(_instance_event)
    metrics.every_minute(metrics.MEASURE, _measure)


def start() -> None:
    threading.Thread(target=_loop, name="balancers", daemon=True).start()
