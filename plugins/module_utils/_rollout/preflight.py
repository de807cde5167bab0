"""Whether a rollout may begin: computed from the group as it is now, never from what a template says it should be."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .group import Group, Refresh

# Without these a rollout hangs or a failed machine stays: https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-suspend-resume-processes.html
NEEDED_PROCESSES = ("Launch", "Terminate", "HealthCheck", "ReplaceUnhealthy", "AddToLoadBalancer", "InstanceRefresh", "AlarmNotification")


@dataclass(frozen=True)
class Preflight:
    """What the rollout must keep, and why it may not begin (empty: it may)."""

    floor: int
    room: int
    problems: tuple[str, ...]


def preflight(group: Group, refresh: Refresh | None, min_percent: int, accept_full: bool = False) -> Preflight:
    """Judge the group.

    :param min_percent: MinHealthyPercentage of the update policy, of *live desired* capacity.
    :param accept_full: begin although the group is as large as it may become.
    """
    floor = math.ceil(group.desired * min_percent / 100)
    room = group.most - group.desired
    problems: list[str] = []
    if refresh is not None and refresh.running:
        problems.append(
            f"its refresh {refresh.id} is {refresh.status} ({refresh.percent} %). Wait for its end, or cancel it with "
            f"aws autoscaling cancel-instance-refresh --auto-scaling-group-name {group.name}."
        )
    stopped = [name for name in NEEDED_PROCESSES if name in group.suspended]
    if stopped:
        problems.append(
            f"its processes {', '.join(stopped)} are suspended, so it could neither grow nor heal meanwhile. Resume them with "
            f"aws autoscaling resume-processes --auto-scaling-group-name {group.name}."
        )
    if group.serving < floor:
        problems.append(
            f"{group.serving} of {group.desired} machines serve, and {floor} must ({min_percent} % of what it wants now). "
            "Find out what is wrong with the others first; a rollout would not mend it."
        )
    if room < 1 and not accept_full:
        problems.append(
            f"it wants {group.desired} machines and may have {group.most} at most, so a spike in the middle of the rollout could not "
            "be answered. Raise its maximum, wait until it has scaled in, or accept it with accept_full=true."
        )
    return Preflight(floor, room, tuple(problems))
