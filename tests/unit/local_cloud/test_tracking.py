"""Target tracking against AWS's published behaviour, as a table."""

from __future__ import annotations

import pytest

from local_cloud.plugin import tracking
from local_cloud.plugin.tracking import Policy, Reading

REQUESTS, PROCESSOR = Policy("requests", 600), Policy("processor", 50)
OUT, KEPT = Policy("requests", 600, scale_in=False), Policy("processor", 50, scale_in=False)


def high(value: float, machines: int) -> Reading:
    return Reading(value, machines, high=True, low=False)


def low(value: float, machines: int) -> Reading:
    return Reading(value, machines, high=False, low=True)


def calm(value: float | None = 550, machines: int = 2) -> Reading:
    return Reading(value, machines, high=False, low=False)


@pytest.mark.parametrize(
    ("desired", "warming", "policies", "readings", "expected"),
    [
        pytest.param(2, 0, [REQUESTS], [calm()], 2, id="near the target nothing happens"),
        pytest.param(2, 0, [REQUESTS], [high(900, 2)], 3, id="in proportion"),
        pytest.param(2, 0, [REQUESTS], [high(901, 2)], 4, id="rounded up"),
        pytest.param(3, 0, [REQUESTS], [high(1200, 3)], 6, id="exactly double is not one more"),
        pytest.param(2, 0, [REQUESTS], [high(60000, 2)], 8, id="never above the maximum"),
        pytest.param(8, 0, [REQUESTS], [high(60000, 8)], 8, id="at the maximum nothing happens"),
        pytest.param(4, 2, [REQUESTS], [high(1200, 2)], 4, id="machines that warm up count as capacity"),
        pytest.param(4, 2, [REQUESTS], [high(1500, 2)], 5, id="and scaling out goes on while they do"),
        pytest.param(4, 0, [REQUESTS], [low(200, 4)], 2, id="scale in, rounded up"),
        pytest.param(4, 0, [REQUESTS], [low(0, 4)], 1, id="never below the minimum"),
        pytest.param(4, 1, [REQUESTS], [low(0, 4)], 4, id="no scale in while a machine warms up"),
        pytest.param(4, 0, [OUT], [low(0, 4)], 4, id="scale in switched off"),
        pytest.param(2, 0, [REQUESTS, PROCESSOR], [high(900, 2), high(100, 2)], 4, id="the largest capacity wins"),
        pytest.param(4, 0, [REQUESTS, PROCESSOR], [low(200, 4), calm(49, 4)], 4, id="all must want to scale in"),
        pytest.param(4, 0, [REQUESTS, PROCESSOR], [low(100, 4), low(30, 4)], 3, id="and the largest capacity wins"),
        pytest.param(4, 0, [REQUESTS, PROCESSOR], [low(100, 4), high(90, 4)], 8, id="out wins over in"),
        pytest.param(4, 0, [REQUESTS, KEPT], [low(100, 4), calm(30, 4)], 3, id="a policy that does not scale in holds up its need"),
        pytest.param(2, 0, [REQUESTS], [Reading(None, 2, high=True, low=False)], 2, id="an unknown metric moves nothing"),
        pytest.param(4, 0, [REQUESTS, PROCESSOR], [low(100, 4), Reading(None, 0, high=False, low=True)], 4, id="nor lets scale in"),
        pytest.param(2, 0, [REQUESTS], [high(900, 0)], 2, id="no machine that serves, nothing to reckon with"),
    ],
)
def test_decides(desired: int, warming: int, policies: list[Policy], readings: list[Reading], expected: int) -> None:
    given = {policy.name: reading for policy, reading in zip(policies, readings, strict=True)}

    assert tracking.decide(desired, 1, 8, warming, policies, given).desired == expected


def test_says_which_policy_moved_the_group() -> None:
    decision = tracking.decide(2, 1, 8, 0, [REQUESTS, PROCESSOR], {"requests": calm(), "processor": high(100, 2)})

    assert (decision.policy, decision.cause) == ("processor", "AlarmHigh")


@pytest.mark.parametrize(
    ("policy", "why"),
    [
        ({"PolicyType": "StepScaling"}, "StepScaling"),
        ({}, "SimpleScaling"),
        (
            {"PolicyType": "TargetTrackingScaling", "TargetTrackingConfiguration": {"CustomizedMetricSpecification": {"MetricName": "m"}}},
            "customized",
        ),
        (
            {
                "PolicyType": "TargetTrackingScaling",
                "TargetTrackingConfiguration": {"PredefinedMetricSpecification": {"PredefinedMetricType": "ASGAverageNetworkIn"}},
            },
            "ASGAverageNetworkIn",
        ),
    ],
)
def test_refuses_other_policies(policy: dict[str, object], why: str) -> None:
    assert why in (tracking.refused(policy) or "")
