"""Who is launched where and who goes: the decisions of an auto scaling group and of its instance refresh. Pure.

https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-termination-policies.html (default policy: the fullest
zone, then the oldest launch template, then the oldest machine) and …/understand-instance-refresh-process.html.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Machine:
    """A member of a group that is not on its way out. `ready`: in service, healthy, and past its warm-up."""

    id: str
    zone: str
    version: int
    launched: float
    ready: bool = True
    protected: bool = False


@dataclass(frozen=True)
class Subnet:
    """Where a machine may be launched."""

    id: str
    zone: str


def spread(subnets: Sequence[Subnet], zones: Sequence[str], count: int) -> list[str]:
    """Subnets for `count` new machines: each into the zone that has the fewest. `zones` are those of the present machines."""
    have = Counter(zones)
    chosen = []
    for _turn in range(count):
        subnet = min(subnets, key=lambda candidate: have[candidate.zone])
        have[subnet.zone] += 1
        chosen.append(subnet.id)
    return chosen


def victims(machines: Sequence[Machine], count: int) -> list[str]:
    """Machines to end when there are `count` too many: first who does not serve. Protected ones stay, even if too many stay."""
    left, chosen = list(machines), []
    for _turn in range(count):
        open_to = [machine for machine in left if not machine.protected]
        open_to = [machine for machine in open_to if not machine.ready] or open_to
        if not open_to:
            break
        have = Counter(machine.zone for machine in left)
        fullest = max(have[machine.zone] for machine in open_to)
        one = min((m for m in open_to if have[m.zone] == fullest), key=lambda m: (m.version, m.launched, m.id))
        left.remove(one)
        chosen.append(one.id)
    return chosen


@dataclass(frozen=True)
class Preferences:
    """Of an instance refresh. Percentages are of the desired capacity as it is at the moment."""

    minimum: int = 90
    maximum: int = 100
    checkpoints: tuple[int, ...] = ()


@dataclass(frozen=True)
class Step:
    """What a refresh asks for now: machines beyond the desired capacity, and machines to end."""

    extra: int = 0
    end: tuple[str, ...] = ()


def allowed_by_checkpoint(total: int, passed: int, checkpoints: Sequence[int]) -> int:
    """How many of `total` machines may be replaced before the checkpoint that comes after `passed` of them."""
    if passed >= len(checkpoints):
        return total
    return math.ceil(total * checkpoints[passed] / 100)


def refresh(desired: int, machines: Sequence[Machine], outdated: Collection[str], preferences: Preferences, budget: int) -> Step:
    """The next step towards a group without `outdated` machines, of which `budget` may be replaced just now.

    With a maximum above 100 new machines come first, else old ones go first; one at a time is always allowed, or nothing
    would ever happen. Floor and ceiling follow the desired capacity: a group that scales out meanwhile is not held back.
    """
    old = [machine for machine in machines if machine.id in outdated]
    budget = min(budget, len(old))
    floor = math.ceil(desired * preferences.minimum / 100)
    ready = sum(machine.ready for machine in machines)
    # Who does not serve is missed by nobody, and goes first; then the oldest.
    order = sorted(old, key=lambda machine: (machine.ready, machine.version, machine.launched, machine.id))
    if preferences.maximum > 100:
        room = max(1, math.ceil(desired * preferences.maximum / 100) - desired)
        surplus = len(machines) - desired
        end = _removable(order, ready, floor, min(budget, max(0, surplus)))
        left = budget - len(end)
        return Step(min(room, left), tuple(end))
    waiting = len(machines) < desired or any(not machine.ready for machine in machines if machine.id not in outdated)
    end = _removable(order, ready, floor, budget)
    if not end and budget and not waiting:
        end = [order[0].id]
    return Step(0, tuple(end))


def _removable(order: Sequence[Machine], ready: int, floor: int, limit: int) -> list[str]:
    """The first of `order` whose going leaves `floor` machines that serve."""
    chosen: list[str] = []
    for machine in order[:limit]:
        if machine.ready and ready <= floor:
            break
        ready -= machine.ready
        chosen.append(machine.id)
    return chosen
