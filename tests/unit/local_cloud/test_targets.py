"""A target's way through a balancer, without one."""

from __future__ import annotations

import dataclasses

import pytest

from local_cloud.plugin import targets
from local_cloud.plugin.haproxy import Counters
from local_cloud.plugin.targets import Health, Target

HEALTH = Health(interval=5, timeout=4, unhealthy_after=3)
NEW = Target("i-1", 80, "10.0.0.5", 3, since=100)
HEALTHY = dataclasses.replace(NEW, state="healthy")


def test_enters_without_serving_before_its_first_check() -> None:
    commands = targets.enter("tg-app/s3", NEW)

    assert commands.index("set server tg-app/s3 weight 0") < commands.index("set server tg-app/s3 state ready")
    assert commands.index("set server tg-app/s3 health down") < commands.index("set server tg-app/s3 weight 100%")


@pytest.mark.parametrize(
    ("target", "seen", "now", "state"),
    [
        pytest.param(NEW, Counters("DOWN"), 101, "initial", id="no check has ended"),
        pytest.param(NEW, Counters("DOWN 1/2", "L7OK"), 106, "healthy", id="one passed check is enough for a new one"),
        pytest.param(NEW, Counters("UP", "L7OK"), 106, "healthy", id="up"),
        pytest.param(NEW, Counters("DOWN", "L7STS", "503"), 118, "initial", id="three checks may fail"),
        pytest.param(NEW, Counters("DOWN", "L7STS", "503"), 120, "unhealthy", id="then it is unhealthy"),
        pytest.param(HEALTHY, Counters("UP 1/3", "L7STS"), 200, "healthy", id="one failed check"),
        pytest.param(HEALTHY, Counters("DOWN", "L7STS"), 200, "unhealthy", id="enough failed checks"),
        pytest.param(dataclasses.replace(NEW, state="unhealthy"), Counters("DOWN 1/2", "L7OK"), 200, "unhealthy", id="an old one needs them all"),
        pytest.param(dataclasses.replace(NEW, state="unhealthy"), Counters("UP", "L7OK"), 200, "healthy", id="recovered"),
    ],
)
def test_health(target: Target, seen: Counters, now: float, state: str) -> None:
    after, _commands = targets.observe("tg-app/s3", target, seen, now, HEALTH)

    assert after
    assert after.state == state


def test_the_first_passed_check_is_told_to_haproxy() -> None:
    assert targets.observe("b/s3", NEW, Counters("DOWN 1/2"), 106, HEALTH)[1] == ["set server b/s3 health up"]


def test_a_drained_target_keeps_its_requests_until_the_deadline() -> None:
    draining, commands = targets.drain("b/s3", HEALTHY, now=200, delay=6)

    assert commands == ["set server b/s3 state drain"]
    assert targets.observe("b/s3", draining, Counters("DRAIN", sessions=1), 205, HEALTH) == (draining, [])
    assert targets.observe("b/s3", draining, Counters("DRAIN", sessions=1), 206, HEALTH)[0] is None


def test_a_drained_target_without_requests_goes_at_once() -> None:
    draining, _commands = targets.drain("b/s3", HEALTHY, now=200, delay=6)

    after, commands = targets.observe("b/s3", draining, Counters("DRAIN"), 200.5, HEALTH)

    assert after is None
    assert commands[-1] == "set server b/s3 state maint"


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        (NEW, "Elb.InitialHealthChecking"),
        (dataclasses.replace(NEW, state="draining"), "Target.DeregistrationInProgress"),
        (dataclasses.replace(NEW, state="unhealthy", check="L7STS", check_code="503"), "Target.ResponseCodeMismatch"),
        (dataclasses.replace(NEW, state="unhealthy", check="L4TOUT"), "Target.Timeout"),
        (dataclasses.replace(NEW, state="unhealthy", check="L4CON"), "Target.FailedHealthChecks"),
    ],
)
def test_reasons(target: Target, reason: str) -> None:
    assert target.reason[0] == reason


def test_slots() -> None:
    assert targets.free_slot({1, 2, 4}, 4) == 3
    assert targets.free_slot({1, 2}, 2) is None
