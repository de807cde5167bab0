"""Following a rollout: what the refresh is at, how few machines ever served, and what ailed those that did not."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import takewhile

from .._aws.errors import Failure
from .group import Group, Groups, Refresh


@dataclass
class Observation:
    """What was seen from begin to end."""

    lowest_serving: int
    highest_desired: int
    refreshes: dict[str, Refresh] = field(default_factory=dict)  # by id, the first one first
    group: Group | None = None
    ailing: dict[str, str] = field(default_factory=dict)
    failed_activity: str = ""

    @property
    def refresh(self) -> Refresh | None:
        """The latest: a rollout that goes back is a second one."""
        return next(reversed(self.refreshes.values()), None)


class Follower:
    """Looks at the group in a thread of its own until it is told to stop. It reads, and never writes."""

    def __init__(
        self,
        groups: Groups,
        begin: Group,
        before: Refresh | None,
        target_group: str,
        emit: Callable[[str], None],
        interval: float = 2.0,
    ) -> None:
        self._groups = groups
        self._before = before.id if before else ""
        self._target_group = target_group
        self._emit = emit
        self._interval = interval
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="follow-rollout", daemon=True)
        self._name = begin.name
        self._told = ""
        self._since = time.monotonic()
        self.seen = Observation(begin.serving, begin.desired, group=begin)

    def __enter__(self) -> Follower:
        """Begin to look."""
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        """Stop, after one last look."""
        self._stop.set()
        self._thread.join(timeout=60)

    def _run(self) -> None:
        last = False
        while not last:
            last = self._stop.wait(self._interval)
            try:
                self._look()
            except Failure as failure:
                # Seeing less for a while must not end a rollout: CloudFormation leads it, this only watches.
                self._tell(f"cannot be seen at the moment ({failure})")

    def _look(self) -> None:
        group = self._groups.group(self._name, self._target_group)
        fresh = list(takewhile(lambda refresh: refresh.id != self._before, self._groups.refreshes(self._name)))
        if group is None:
            return
        seen = self.seen
        seen.group = group
        seen.lowest_serving = min(seen.lowest_serving, group.serving)
        seen.highest_desired = max(seen.highest_desired, group.desired)
        seen.refreshes.update({refresh.id: refresh for refresh in reversed(fresh)})
        seen.ailing.update(group.ailing())
        self._tell(state(group, seen.refresh))

    def _tell(self, text: str) -> None:
        if text != self._told:
            self._told = text
            self._emit(f"rollout   {time.monotonic() - self._since:6.1f} s  {text}")


def state(group: Group, refresh: Refresh | None) -> str:
    """One line: how far, who serves."""
    versions = ", ".join(f"{count} on version {version}" for version, count in group.versions().items()) or "none"
    begun = f"{refresh.status} {refresh.percent} %, {refresh.left} to go" if refresh else "not begun"
    return f"{begun}; {group.serving} serve, {group.desired} are wanted: {versions}"


def explanation(seen: Observation) -> str:
    """What a failed rollout has left, in sentences."""
    parts: list[str] = []
    for number, refresh in enumerate(seen.refreshes.values()):
        reason = f": {refresh.reason.rstrip('.')}" if refresh.reason else ""
        parts.append(f"{'The way back' if number else 'The refresh'} ended {refresh.status}{reason}.")
    parts.extend(f"Machine {machine} got no requests: {why.rstrip('.')}." for machine, why in list(seen.ailing.items())[:3])
    if seen.failed_activity:
        parts.append(f"The group said: {seen.failed_activity.rstrip('.')}.")
    if seen.group is not None:
        parts.append(
            f"Now {seen.group.serving} machines serve and {seen.group.desired} are wanted; never fewer than {seen.lowest_serving} served meanwhile."
        )
    return " ".join(parts)
