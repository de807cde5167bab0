"""Target tracking as AWS publishes it. Pure: metrics and machines in, a desired capacity out.

https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-scaling-target-tracking.html, as observed: out after 3 of 3 periods
above the target, in after 15 of 15 below 90 % of it; capacity follows the metric in proportion and rounds up; machines that
warm up count as capacity but not in the metric, and nothing is scaled in while there is one; of several policies the largest
capacity wins, and all that may scale in must want to.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

METRICS = ("ALBRequestCountPerTarget", "ASGAverageCPUUtilization")


@dataclass(frozen=True)
class Policy:
    """A target tracking policy: what its metric should be, and whether it may take machines away."""

    name: str
    target: float
    scale_in: bool = True


@dataclass(frozen=True)
class Reading:
    """One policy's metric in the newest period, how many machines it was taken from, and its two alarms."""

    value: float | None
    machines: int
    high: bool
    low: bool


@dataclass(frozen=True)
class Decision:
    """The desired capacity, and which policy's alarm moved it; nothing when nothing did."""

    desired: int
    policy: str = ""
    cause: str = ""


def refused(policy: Mapping[str, object]) -> str | None:
    """Why a scaling policy cannot be had here, or None."""
    tracking = policy.get("TargetTrackingConfiguration")
    if policy.get("PolicyType") != "TargetTrackingScaling" or not isinstance(tracking, Mapping):
        return f"the policy type {policy.get('PolicyType') or 'SimpleScaling'} is not to be had here, only TargetTrackingScaling"
    if tracking.get("CustomizedMetricSpecification"):
        return "customized metrics are not to be had here"
    metric = tracking.get("PredefinedMetricSpecification", {}).get("PredefinedMetricType")
    return None if metric in METRICS else f"the metric {metric} is not to be had here, only {' and '.join(METRICS)}"


def wanted(policy: Policy, reading: Reading) -> int | None:
    """The capacity that brings the metric to its target, or None when it isn't known."""
    if reading.value is None or not reading.machines:
        return None
    # Rounded before it is rounded up: 3 × 200 / 100 is six machines, not seven.
    return math.ceil(round(reading.machines * reading.value / policy.target, 6))


def decide(desired: int, minimum: int, maximum: int, warming: int, policies: Sequence[Policy], readings: Mapping[str, Reading]) -> Decision:
    """The group's next desired capacity. `warming` is the number of machines still in their warm-up."""
    proposals = [(policy, readings[policy.name], wanted(policy, readings[policy.name])) for policy in policies]
    out = [(capacity, policy) for policy, reading, capacity in proposals if reading.high and capacity and capacity > desired]
    if out:
        capacity, policy = max(out, key=lambda pair: pair[0])
        capacity = min(capacity, maximum)
        return Decision(max(capacity, desired), policy.name, "AlarmHigh") if capacity > desired else Decision(desired)
    willing = [(policy, reading, capacity) for policy, reading, capacity in proposals if policy.scale_in]
    if warming or not willing or any(not reading.low or capacity is None for _policy, reading, capacity in willing):
        return Decision(desired)
    # A policy that may not scale in still holds up what it needs.
    floor = max((capacity for policy, _reading, capacity in proposals if capacity and not policy.scale_in), default=0)
    capacity, policy = max(((capacity or 0, policy) for policy, _reading, capacity in willing), key=lambda pair: pair[0])
    capacity = max(capacity, floor, minimum)
    return Decision(capacity, policy.name, "AlarmLow") if capacity < desired else Decision(desired)
