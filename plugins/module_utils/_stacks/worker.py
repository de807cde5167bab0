"""One stack, from what stands to what is wanted: change set, guard, execution, protection. Runs in a thread of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from .._aws.errors import Failure, sentence
from .changes import Change, refused, summary
from .cloudformation import GOOD, ChangeSet, CloudFormation, Observed, Request
from .decide import Decision, Wanted
from .journal import Journal
from .progress import Progress
from .spec import Stack
from .template import Template


class Interrupted(Failure):
    """The run is ending; nothing new is begun. What CloudFormation is at goes on."""


@dataclass
class Pace:
    """Waiting that costs at most 5 % of what is waited for, from 0.2 s to 5 s a look."""

    stop: threading.Event
    now: Callable[[], float] = time.monotonic

    def pause(self, since: float) -> None:
        """Sleep until the next look at something that began at ``since``."""
        if self.stop.wait(min(5.0, max(0.2, (self.now() - since) * 0.05))):
            raise Interrupted("Stopped waiting: the run is ending. Run the same command again; it goes on from here.")


@dataclass(frozen=True)
class Planned:
    """A change set that was computed and passed the guard."""

    change_set: ChangeSet
    wanted: Wanted


@dataclass
class Worker:
    """Everything one stack needs to be deployed."""

    stack: Stack
    template: Template
    cloud: CloudFormation
    name: str
    run: str
    allowed: frozenset[str]
    journal: Journal
    progress: Progress
    pace: Pace

    def plan(self, aim: Wanted, observed: Observed | None) -> Planned:
        """Create the change set and guard it. Raises :class:`Failure` if it would destroy what was not named."""
        create = observed is None
        request = Request(
            stack=self.name,
            name=f"twine-{self.run}-{aim.digest[:12]}",
            create=create,
            body=self.template.stamped(aim.digest),
            parameters=aim.parameters,
            capabilities=aim.capabilities,
            tags=aim.tags,
            description=f"{self.template.path.name} by twine.platform",
        )
        self.progress.doing(self.stack.key, "planning")
        self.journal.note("planning", self.stack.key, change_set=request.name)
        arn = self.cloud.create_change_set(request)
        change_set = self._computed(arn)
        if change_set.status == "FAILED" and not change_set.empty:
            self.discard(change_set, created=create)
            raise Failure(sentence("plan stack", self.stack.key, change_set.reason, "Correct the template or its parameters"))
        bad = refused(self.stack.key, change_set.changes, self.stack.stateful, self.allowed)
        if bad:
            self.discard(change_set, created=create)
            raise Failure(self._refusal(bad))
        return Planned(change_set, aim)

    def _refusal(self, bad: list[Change]) -> str:
        names = ", ".join(f"{self.stack.key}.{change.logical_id}" for change in bad)
        return sentence(
            "accept the plan of stack",
            self.stack.key,
            f"it would {'; '.join(map(str, bad))}, and what is in there can't be made again",
            f"Take the change back, or name it: destroy=['{names}']" if len(bad) == 1 else f"Name each in destroy: {names}",
        )

    def _computed(self, arn: str) -> ChangeSet:
        since = self.pace.now()
        while True:
            change_set = self.cloud.change_set(arn, self.name)
            if change_set.settled:
                return change_set
            self.pace.pause(since)

    def discard(self, change_set: ChangeSet, created: bool) -> None:
        """Leave nothing of a plan behind, neither the change set nor the empty stack that a first one makes."""
        self.cloud.delete_change_set(change_set.arn, self.name)
        if created:
            standing = self.cloud.stack(self.name)
            if standing is not None and standing.status == "REVIEW_IN_PROGRESS":
                self.cloud.delete(standing.stack_id)

    def deploy(self, decision: Decision, planned: Planned | None) -> Observed:
        """Bring the stack to what is wanted, and return it as it then is."""
        aim = decision.wanted
        if aim is None:
            raise Failure(
                sentence(
                    "deploy stack",
                    self.stack.key,
                    f"the outputs for {', '.join(decision.unknown)} do not exist",
                    "Deploy the stacks that give them, or widen 'only'",
                )
            )
        observed = decision.observed
        if decision.verdict == "protect" and observed is not None:
            return self._protect(observed, aim)
        if decision.verdict == "recreate" and observed is not None:
            self._remove(observed)
            observed = None
        if planned is not None and planned.wanted != aim:
            self.discard(planned.change_set, created=False)
            planned = None
        if planned is None:
            planned = self.plan(aim, observed)
        if planned.change_set.empty:
            self.discard(planned.change_set, created=observed is None)
            standing = self.cloud.stack(self.name)
        else:
            standing = self._execute(planned, observed)
        if standing is None:
            raise Failure(sentence("deploy stack", self.stack.key, "it was deleted meanwhile", "Run again"))
        return self._protect(standing, aim)

    def _execute(self, planned: Planned, before: Observed | None) -> Observed:
        change_set = planned.change_set
        token = f"{self.run}-{planned.wanted.digest[:12]}"
        self.progress.doing(self.stack.key, summary(change_set.changes))
        self.journal.note("executing", self.stack.key, change_set=change_set.arn, token=token)
        self.cloud.execute(change_set.arn, self.name, token)
        standing = self.settle(lambda seen: seen.status == "REVIEW_IN_PROGRESS" or _not_begun(seen, before, planned))
        if standing is None or standing.status not in GOOD:
            raise Failure(self._autopsy(standing, token))
        return standing

    def settle(self, not_yet: Callable[[Observed], bool] = lambda seen: False) -> Observed | None:
        """Wait until CloudFormation is no longer at work on the stack, however that ends.

        ``not_yet`` tells a state that was there before the work began: answers may be a moment old.
        """
        since = self.pace.now()
        while True:
            observed = self.cloud.stack(self.name)
            if observed is None or not (observed.busy or not_yet(observed)):
                return observed
            if self.pace.now() - since > self.stack.timeout * 60:
                raise Failure(
                    sentence(
                        "wait for stack",
                        self.stack.key,
                        f"it is still {observed.status} after {self.stack.timeout} minutes",
                        "CloudFormation goes on; run the same command again to wait further, or raise its 'timeout'",
                    )
                )
            self.pace.pause(since)

    def _protect(self, observed: Observed, aim: Wanted) -> Observed:
        if observed.protected != aim.protection:
            self.journal.note("protecting", self.stack.key)
            self.cloud.protect(self.name, aim.protection)
        return observed

    def _remove(self, observed: Observed) -> None:
        """Take away what an attempt that never succeeded left."""
        self.progress.doing(self.stack.key, f"removing {observed.status}")
        self.journal.note("removing", self.stack.key, stack_id=observed.stack_id)
        if observed.protected:
            self.cloud.protect(self.name, False)
        self.cloud.delete(observed.stack_id)
        left = self.settle(lambda seen: seen.status == observed.status != "DELETE_FAILED")
        if left is not None:
            raise Failure(
                sentence(
                    "remove the leftover of stack",
                    self.stack.key,
                    f"it is {left.status}: {left.reason}",
                    "Delete it by hand in the console, keeping what resists, then run again",
                )
            )

    def _autopsy(self, standing: Observed | None, token: str) -> str:
        """Name the first failures: what came after them is only consequence."""
        status = standing.status if standing else "gone"
        stack_id = standing.stack_id if standing else self.name
        events = self.cloud.events(stack_id, token) or self.cloud.events(stack_id, "")
        failed = [event for event in events if event.failed and event.logical_id != self.name]
        first = [f"{event.logical_id} ({event.type}) {event.status}: {event.reason}" for event in failed[:3]]
        why = "; ".join(first) or (standing.reason if standing else "") or "CloudFormation gave no reason"
        return sentence(
            "deploy stack",
            self.stack.key,
            f"{why.rstrip('.')}. The stack is {status} now",
            "Correct the cause and run the same command again; what rolled back is taken care of",
        )


def _not_begun(seen: Observed, before: Observed | None, planned: Planned) -> bool:
    return before is not None and seen.updated == before.updated and seen.digest != planned.wanted.digest
