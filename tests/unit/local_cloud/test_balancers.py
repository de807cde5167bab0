"""What a balancer's loop tells HAProxy, without one."""

from __future__ import annotations

from typing import Any

import pytest

from local_cloud.plugin.haproxy import Counters
from local_cloud.plugin.targets import Target

ARN = "arn:aws:elasticloadbalancing:eu-west-2:111111111111:targetgroup/app/0123456789abcdef"
GROUP = {"HealthCheckIntervalSeconds": 5, "HealthCheckTimeoutSeconds": 4, "UnhealthyThresholdCount": 3, "Port": 80}


@pytest.fixture
def balancer(monkeypatch: pytest.MonkeyPatch, estate: Any) -> Any:
    """A balancer with one healthy target that has just been deregistered."""
    from ministack.services import alb

    from local_cloud.plugin import balancers, fabric

    monkeypatch.setitem(alb._tgs, ARN, GROUP)
    monkeypatch.setitem(alb._targets, ARN, [])
    place = fabric.Place("net", "10.0.0.9", "vpc-1", "subnet-1", "eu-west-2a")
    made = balancers.Balancer("arn", "111111111111", "app", "container", place, 0)
    made.targets[ARN] = [Target("i-1", 80, "10.0.0.5", 3, since=0, state="healthy")]
    made.seen[("tg-app", "s3")] = Counters("UP")
    return made


def test_a_count_from_before_the_drain_ends_nothing(balancer: Any) -> None:
    from local_cloud.plugin import balancers

    assert list(balancers._sync_group(balancer, ARN)) == ["set server tg-app/s3 state drain"]
    assert [target.state for target in balancer.targets[ARN]] == ["draining"]


def test_a_request_that_came_meanwhile_is_let_end(balancer: Any) -> None:
    from local_cloud.plugin import balancers

    list(balancers._sync_group(balancer, ARN))
    balancer.seen[("tg-app", "s3")] = Counters("DRAIN", sessions=1)
    assert list(balancers._sync_group(balancer, ARN)) == []

    balancer.seen[("tg-app", "s3")] = Counters("DRAIN")
    assert list(balancers._sync_group(balancer, ARN)) == ["set server tg-app/s3 state maint"]
    assert balancer.targets[ARN] == []
