"""A target's way through a load balancer: initial, healthy or unhealthy, draining, gone. Pure: facts in, commands out.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html: a new target serves
after its first passed check; https://docs.aws.amazon.com/elasticloadbalancing/latest/application/edit-target-group-attributes.html:
a deregistered one keeps its requests until the delay has passed, and goes at once when it has none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from local_cloud.plugin.haproxy import Counters


@dataclass(frozen=True)
class Target:
    """One registration. `since` is when it was put into its slot, `deadline` when draining ends at the latest."""

    id: str
    port: int
    address: str
    slot: int
    since: float
    state: str = "initial"  # initial, healthy, unhealthy, draining
    check: str = ""
    check_code: str = ""
    deadline: float = 0.0

    @property
    def reason(self) -> tuple[str, str]:
        """The API's reason and description of a state that is not healthy."""
        if self.state == "initial":
            return "Elb.InitialHealthChecking", "Initial health checks in progress"
        if self.state == "draining":
            return "Target.DeregistrationInProgress", "Target deregistration is in progress"
        if self.check == "L7STS":
            return "Target.ResponseCodeMismatch", f"Health checks failed with these codes: [{self.check_code}]"
        if self.check.endswith("TOUT"):
            return "Target.Timeout", "Request timed out"
        return "Target.FailedHealthChecks", "Health checks failed"


@dataclass(frozen=True)
class Health:
    """What a target group asks of a target, in seconds and checks."""

    interval: float
    timeout: float
    unhealthy_after: int


def enter(server: str, target: Target) -> list[str]:
    """Put a target into its slot. Weight 0 until it is marked down: HAProxy takes a server that leaves maintenance for up."""
    return [
        f"set server {server} addr {target.address} port {target.port}",
        f"set server {server} weight 0",
        f"set server {server} state ready",
        f"set server {server} health down",
        f"set server {server} weight 100%",
    ]


def drain(server: str, target: Target, now: float, delay: float) -> tuple[Target, list[str]]:
    """Deregister: no new request from now on."""
    return replace(target, state="draining", deadline=now + delay), [f"set server {server} state drain"]


def observe(server: str, target: Target, seen: Counters, now: float, health: Health) -> tuple[Target | None, list[str]]:
    """The target after a look at its server, and what to tell HAProxy; None when it has drained."""
    if target.state == "draining":
        if seen.sessions and now < target.deadline:
            return target, []
        late = [f"shutdown sessions server {server}"] if seen.sessions else []
        return None, [*late, f"set server {server} state maint"]
    target = replace(target, check=seen.check, check_code=seen.check_code)
    if seen.status.startswith("UP"):
        return replace(target, state="healthy"), []
    if target.state == "initial":
        if seen.status.startswith("DOWN ") and not seen.status.startswith("DOWN 0/"):
            return replace(target, state="healthy"), [f"set server {server} health up"]
        if now - target.since <= health.interval * health.unhealthy_after + health.timeout:
            return target, []
    return replace(target, state="unhealthy"), []


def free_slot(taken: Mapping[int, str] | set[int], slots: int) -> int | None:
    return next((slot for slot in range(1, slots + 1) if slot not in taken), None)
