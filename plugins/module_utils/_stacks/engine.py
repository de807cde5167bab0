"""A deploy of the whole graph: look, decide, plan, then start each stack the moment its own parents are done."""

from __future__ import annotations

import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from .._aws.accounts import Accounts, Source
from .._aws.errors import Failure, sentence
from . import changes, checks, graph, images, spec
from .cloudformation import GOOD, READY, CloudFormation, Observed
from .decide import MOVING, Decision, decide, verdict, wanted
from .journal import Journal, Lock
from .progress import Emit, Progress, duration
from .template import Template, unstamped
from .worker import Interrupted, Pace, Planned, Worker

_HEARTBEAT = 10.0  # seconds without news after which a line says what runs; then less and less often
_ROLE_APPEARS = 60.0  # seconds IAM may take until a role that was just made can be assumed


@dataclass(frozen=True)
class Options:
    """What the operator asked for."""

    estate: str
    folders: list[Path]
    state: Path
    only: tuple[str, ...] = ()
    destroy: frozenset[str] = frozenset()
    parallel: int = 8
    lock_wait: float = 900.0
    shared: images.Shared = field(default_factory=images.Shared)


@dataclass
class Result:
    """What came of it."""

    decisions: dict[str, Decision]
    changed: list[str] = field(default_factory=list)
    outputs: dict[str, dict[str, str]] = field(default_factory=dict)
    plans: dict[str, list[str]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    critical_path: list[str] = field(default_factory=list)
    critical_seconds: float = 0.0
    calls: dict[str, int] = field(default_factory=dict)
    wall: float = 0.0
    unlisted: list[str] = field(default_factory=list)


class Engine:
    """One run over the estate. Make it, then call :meth:`plan` or :meth:`deploy` once."""

    def __init__(
        self,
        raw: Mapping[str, object],
        accounts: Accounts,
        options: Options,
        emit: Emit,
        sources: Mapping[str, bool],
    ) -> None:
        """
        :param raw: account → its list of stacks, as :func:`spec.parse` takes it.
        :param sources: account → whether credentials of the account itself are at hand.
        """
        self.options = options
        self.stacks = spec.parse(raw)
        self.graph = graph.build(self.stacks)
        self.templates = checks.templates_of(self.stacks, options.folders)
        checks.check(self.stacks, self.templates)
        self.selected = _selected(self.stacks, options.only)
        self._accounts = accounts
        self._sources = sources
        self._emit = emit
        self._stop = threading.Event()
        self._calls: Counter[str] = Counter()
        self._counting = threading.Lock()
        self._run = uuid.uuid4().hex[:8]
        self._unlisted: list[str] = []
        self._observed: dict[str, Observed] = {}
        self.journal = Journal(options.state)

    # Looking

    def _count(self, operation: str) -> None:
        with self._counting:
            self._calls[operation] += 1

    def _cloud(self, account: str, source: Source) -> CloudFormation:
        return CloudFormation(account, lambda: self._accounts.client(account, "cloudformation", source), self._count)

    def _name(self, stack: spec.Stack) -> str:
        return f"{self.options.estate}-{stack.name}"

    def _look(self, account: str) -> dict[str, Observed]:
        """All stacks of one account in one call; before its role exists, with the account's own credentials."""
        gate = next((key for key in self._of(account) if self.stacks[key].credentials == "account"), None)
        try:
            return self._cloud(account, "role").stacks()
        except Failure:
            if gate is None or not self._sources.get(account):
                raise
            found = self._cloud(account, "account").stacks()
            standing = found.get(self._name(self.stacks[gate]))
            if standing is not None and standing.status in GOOD:
                # The role stands, so it should have let us in: unless it is about to be changed, that is the failure.
                aim = wanted(self.stacks[gate], self.templates[gate], {}, self._tags)
                if verdict(gate, aim, self.templates[gate], standing).verdict == "unchanged":
                    raise
            return found

    def _of(self, account: str) -> Iterator[str]:
        return (key for key, stack in self.stacks.items() if stack.account == account)

    @property
    def _tags(self) -> dict[str, str]:
        return {"twine:estate": self.options.estate}

    def look(self) -> dict[str, Decision]:
        """Ask every account once, and judge."""
        needed = self._needed_accounts()
        answers = self._look_everywhere(needed)
        self._observed = {}
        for key, stack in self.stacks.items():
            found = answers.get(stack.account, {}).get(self._name(stack))
            if found is not None:
                self._observed[key] = found
        names = {(stack.account, self._name(stack)) for stack in self.stacks.values()}
        self._unlisted = sorted(
            f"{account}/{found.name}"
            for account, stacks in answers.items()
            for found in stacks.values()
            if found.tags.get("twine:estate") == self.options.estate and (account, found.name) not in names
        )
        return self._decide()

    def _look_everywhere(self, accounts: list[str]) -> dict[str, dict[str, Observed]]:
        """Every account's stacks. Raises :class:`Failure` that names each account which cannot be entered."""
        answers: dict[str, dict[str, Observed]] = {}
        failures: list[str] = []
        with ThreadPoolExecutor(max_workers=max(1, len(accounts))) as pool:
            for account, job in [(account, pool.submit(self._look, account)) for account in accounts]:
                try:
                    answers[account] = job.result()
                except Failure as failure:
                    failures.append(str(failure))
        if failures:
            raise Failure("\n".join(failures))
        return answers

    def _needed_accounts(self) -> list[str]:
        needed = {self.stacks[key].account for key in self.selected}
        for key in self.selected:
            needed |= {self.stacks[parent].account for parent in self.graph.parents[key]}
        return sorted(needed)

    def _decide(self) -> dict[str, Decision]:
        return decide(self.stacks, self.templates, self.graph, self._observed, self._tags, self.selected)

    # Planning

    def plan(self, with_change_sets: bool) -> Result:
        """Say what would be done. With change sets, their content too; they are taken away again."""
        begun = time.monotonic()
        decisions = self.look()
        result = Result(decisions)
        if with_change_sets and any(decision.verdict in MOVING for decision in decisions.values()):
            with Lock(self.options.state, self.options.lock_wait, self._emit, self._stop.wait):
                progress = self._progress(decisions)
                possible = [key for key in decisions if self._plannable(decisions, key, creates=True)]
                planned = self._plan_all(possible, decisions, progress)
                for key, plan in planned.items():
                    result.plans[key] = [str(change) for change in plan.change_set.changes]
                    worker = self._worker(key, progress)
                    worker.discard(plan.change_set, created=decisions[key].observed is None)
        self._tell(decisions, result.plans)
        return self._finish(result, begun)

    def _plannable(self, decisions: Mapping[str, Decision], key: str, creates: bool) -> bool:
        """Whether a change set can be made now: all values are known, and the account can be entered."""
        stack = self.stacks[key]
        gates = [parent for parent in self.graph.parents[key] if self.stacks[parent].credentials == "account"]
        closed = any(gate in decisions and decisions[gate].verdict in ("create", "recreate") for gate in gates)
        if decisions[key].wanted is None or (stack.credentials == "role" and closed):
            return False
        return decisions[key].verdict == "update" or (creates and decisions[key].verdict == "create")

    def _plan_all(self, keys: list[str], decisions: Mapping[str, Decision], progress: Progress) -> dict[str, Planned]:
        """Change sets of many stacks at once. If one may not be, all are taken away and all reasons told."""
        planned: dict[str, Planned] = {}
        failures: list[str] = []
        if not keys:
            return planned
        with ThreadPoolExecutor(max_workers=self.options.parallel) as pool:
            jobs = {key: pool.submit(self._plan_one, decisions[key], progress) for key in keys}
            for key, job in jobs.items():
                try:
                    planned[key] = job.result()
                except Failure as failure:
                    failures.append(str(failure))
        if failures:
            for key, plan in planned.items():
                self._worker(key, progress).discard(plan.change_set, created=decisions[key].observed is None)
            raise Failure("\n".join(failures))
        return planned

    def _plan_one(self, decision: Decision, progress: Progress) -> Planned:
        if decision.wanted is None:
            raise Failure(sentence("plan stack", decision.key, "its values are not known yet", "Deploy its parents"))
        return self._worker(decision.key, progress).plan(decision.wanted, decision.observed)

    # Deploying

    def deploy(self) -> Result:
        """Plan, then do it. Raises :class:`Failure` with everything that went wrong; what succeeded stays."""
        begun = time.monotonic()
        decisions = self.look()
        result = Result(decisions)
        if all(decision.verdict == "unchanged" for decision in decisions.values()):
            return self._finish(result, begun)
        with Lock(self.options.state, self.options.lock_wait, self._emit, self._stop.wait):
            for record in self.journal.unfinished():
                self._emit(f"resuming  {record['stack']}: an earlier run ended while {record['step']}")
            self.journal.begin()
            self.journal.note("begin", run=self._run)
            decisions = result.decisions = self.look()
            self._refuse_blocked(decisions)
            self._refuse_absent_images(decisions)
            progress = self._progress(decisions)
            updates = [key for key in decisions if self._plannable(decisions, key, creates=False)]
            planned = self._plan_all(updates, decisions, progress)
            for key, plan in planned.items():
                result.plans[key] = [str(change) for change in plan.change_set.changes]
            self._tell(decisions, result.plans)
            self._walk(result, planned, progress)
            self.journal.end()
        return self._finish(result, begun)

    @staticmethod
    def _refuse_blocked(decisions: Mapping[str, Decision]) -> None:
        blocked = [
            sentence(
                "deploy stack",
                key,
                decision.why,
                "Continue its rollback in the console (naming the resources to skip), then run again",
            )
            for key, decision in decisions.items()
            if decision.verdict == "blocked"
        ]
        if blocked:
            raise Failure("\n".join(blocked))

    def _refuse_absent_images(self, decisions: Mapping[str, Decision]) -> None:
        differing = [self.stacks[key] for key, decision in decisions.items() if decision.verdict not in ("unchanged", "protect")]
        named = images.named(differing, self.templates)
        shared, number = self.options.shared, self._accounts.number
        if refused := [line for account in named for line in images.absent(account, named[account], self._ec2, number(account), shared)]:
            raise Failure("\n".join(refused))

    def _ec2(self, account: str) -> Any:
        """EC2 of an account; before its role exists, with the account's own credentials."""
        return self._accounts.client(account, "ec2", self._accounts.source(account))

    def _walk(self, result: Result, planned: dict[str, Planned], progress: Progress) -> None:
        queue = graph.ReadyQueue(self.graph, graph.remaining(self.graph, progress.estimates), self.options.parallel, self.selected)
        failures: list[str] = []
        running: dict[Future[None], str] = {}
        quiet = _HEARTBEAT
        with ThreadPoolExecutor(max_workers=self.options.parallel * 4) as pool:
            try:
                while True:
                    for key in [] if failures else queue.take():
                        running[pool.submit(self._one, key, planned.pop(key, None), result, progress)] = key
                    if not running:
                        break
                    ended, _running = wait(running, timeout=quiet, return_when=FIRST_COMPLETED)
                    quiet = _HEARTBEAT if ended else min(60.0, quiet * 1.5)
                    if not ended:
                        progress.heartbeat()
                    for job in ended:
                        self._ended(job, running.pop(job), queue, failures, progress)
            except BaseException:
                self._stop.set()
                raise
        for key, plan in planned.items():
            self._worker(key, progress).discard(plan.change_set, created=False)
        if failures:
            left = sorted(queue.left)
            rest = f"\nNot begun: {', '.join(left)}." if left else ""
            raise Failure("\n".join(failures) + rest)

    def _ended(self, job: Future[None], key: str, queue: graph.ReadyQueue, failures: list[str], progress: Progress) -> None:
        try:
            job.result()
        except Failure as failure:
            queue.drop(key)
            failures.append(str(failure))
            self.journal.note("failed", key)
            if not isinstance(failure, Interrupted):
                progress.finished(key, "failed")
            progress.ending()
        else:
            queue.finish(key)

    def _one(self, key: str, planned: Planned | None, result: Result, progress: Progress) -> None:
        """Deploy one stack whose parents are done."""
        decision = self._judge_again(key, result.decisions[key], progress)
        worker = self._worker(key, progress)
        if decision.verdict == "unchanged" and planned is None:
            progress.settled(key)
            return
        since = time.monotonic()
        kind = "update" if decision.verdict == "update" else "create"
        progress.started(key, decision.verdict)
        if self.stacks[key].credentials == "role":
            self._await_role(self.stacks[key].account)
        standing = worker.deploy(decision, planned)
        self._observed[key] = standing
        took = time.monotonic() - since
        result.changed.append(key)
        result.seconds[key] = round(took, 2)
        self.journal.note("done", key, seconds=round(took, 2))
        if decision.verdict in ("create", "recreate", "update"):
            self.journal.took(key, kind, took)
        progress.finished(key, "done", f"{standing.status.lower()}")

    def _judge_again(self, key: str, decision: Decision, progress: Progress) -> Decision:
        """The same verdict, with what the parents have become meanwhile and, if it was busy, what it has become itself."""
        observed = self._observed.get(key)
        if decision.verdict == "busy":
            progress.started(key, decision.why)
            observed = self._worker(key, progress).settle()
            if observed is None:
                self._observed.pop(key, None)
            else:
                self._observed[key] = observed
        outputs = {name: stack.outputs for name, stack in self._observed.items() if stack.status in READY}
        aim = wanted(self.stacks[key], self.templates[key], outputs, self._tags)
        return replace(verdict(key, aim, self.templates[key], observed), unknown=decision.unknown)

    def _await_role(self, account: str) -> None:
        """A role that was made a moment ago may not be assumable everywhere yet."""
        pace = Pace(self._stop)
        since = pace.now()
        while True:
            try:
                self._accounts.client(account, "cloudformation", "role")
                return
            except Failure:
                if pace.now() - since > _ROLE_APPEARS:
                    raise
            pace.pause(since)

    # Common

    def settle(self, key: str) -> Observed | None:
        """Wait until nobody is at work on a stack; it as it then is."""
        return self._worker(key, self._progress({})).settle()

    def client(self, account: str, service: str) -> Any:
        """A client of another service, in an account of the estate."""
        return self._accounts.client(account, service, "role")

    def least_healthy(self, key: str) -> int:
        """The percentage of live desired capacity that a stack's own update policy keeps in service; 100 where it says nothing."""
        policies = [resource.get("UpdatePolicy") or {} for resource in self.templates[key].resources.values()]
        preferences = [(policy.get("AutoScalingInstanceRefresh") or {}).get("Preferences") or {} for policy in policies]
        return min((int(found["MinHealthyPercentage"]) for found in preferences if "MinHealthyPercentage" in found), default=100)

    def standing_body(self, key: str) -> str:
        """The body of a stack as it stands, without our stamp."""
        body = self._cloud(self.stacks[key].account, "role").template(self._name(self.stacks[key]))
        return unstamped(body)

    def _worker(self, key: str, progress: Progress) -> Worker:
        stack = self.stacks[key]
        return Worker(
            stack=stack,
            template=self.templates[key],
            cloud=self._cloud(stack.account, stack.credentials),
            name=self._name(stack),
            run=self._run,
            allowed=self.options.destroy,
            journal=self.journal,
            progress=progress,
            pace=Pace(self._stop),
        )

    def _estimates(self, decisions: Mapping[str, Decision]) -> dict[str, float]:
        found: dict[str, float] = {}
        for key in self.stacks:
            decision = decisions.get(key)
            if decision is None or (decision.verdict in ("unchanged", "protect") and not decision.waits_for):
                found[key] = 0.0
                continue
            kind = "update" if decision.verdict == "update" else "create"
            seconds = self.journal.seconds(key, kind)
            if seconds is not None:
                found[key] = seconds
        return found

    def _progress(self, decisions: Mapping[str, Decision]) -> Progress:
        return Progress(self._emit, self.graph, self._estimates(decisions), self.selected)

    def _tell(self, decisions: Mapping[str, Decision], plans: Mapping[str, list[str]]) -> None:
        """The plan: what is risky first in each stack, nothing for what stays as it is."""
        progress = self._progress(decisions)
        for key, decision in decisions.items():
            if decision.verdict == "unchanged" and not decision.waits_for:
                continue
            for text in describe(decision, plans.get(key), self.templates[key]):
                progress.line("plan", key, text)
        for name in self._unlisted:
            progress.line("note", name, "is of this estate but in no list; it is left alone")

    def _finish(self, result: Result, begun: float) -> Result:
        estimates = {**self._estimates(result.decisions), **result.seconds}
        part = self._graph_of_selected()
        result.critical_path, result.critical_seconds = graph.critical_path(part, estimates)
        result.outputs = {key: found.outputs for key, found in self._observed.items()}
        result.calls = dict(sorted(self._calls.items()))
        result.unlisted = self._unlisted
        result.wall = round(time.monotonic() - begun, 2)
        differ = sum(decision.verdict != "unchanged" for decision in result.decisions.values())
        changed = f"{len(result.changed)} changed" if result.changed else "nothing changed"
        if differ and not result.changed:
            changed += f", {differ} would"
        self._emit(
            f"estate    {self.options.estate}: {len(self.selected)} stacks, {changed}, {sum(self._calls.values())} calls, {duration(result.wall)}"
        )
        return result

    def _graph_of_selected(self) -> graph.Graph:
        keep = self.selected
        return graph.Graph(
            {key: self.graph.parents[key] & keep for key in self.graph.parents if key in keep},
            {key: self.graph.children[key] & keep for key in self.graph.children if key in keep},
        )


def describe(decision: Decision, plan: list[str] | None, template: Template) -> list[str]:
    """Lines that tell one decision: counts first, then what is risky."""
    lines = [decision.verdict + (f" because of {decision.why}" if decision.why else "")]
    if decision.verdict in ("create", "recreate"):
        lines[0] += f", {len(template.resources)} resources"
    if decision.unknown:
        names = ", ".join(decision.unknown[:4]) + (", …" if len(decision.unknown) > 4 else "")
        lines[0] += f"; {len(decision.unknown)} values not known yet ({names}), they come from {', '.join(decision.waits_for)}"
    elif decision.waits_for:
        lines[0] += f"; again after {', '.join(decision.waits_for)}, whose outputs may change"
    if plan and decision.verdict == "update":
        lines.extend(f"  {change}" for change in plan[:20])
        if len(plan) > 20:
            lines.append(f"  and {len(plan) - 20} more")
    return lines


def _selected(stacks: Mapping[str, spec.Stack], only: tuple[str, ...]) -> frozenset[str]:
    """The stacks that ``only`` names, by account or by account/stack; all if it is empty."""
    if not only:
        return frozenset(stacks)
    found: set[str] = set()
    for name in only:
        matching = {key for key, stack in stacks.items() if name in (key, stack.account)}
        if not matching:
            known = ", ".join(sorted({stack.account for stack in stacks.values()} | set(stacks)))
            raise Failure(sentence("select stacks by", name, "there is no such account or stack", f"Known are {known}"))
        found |= matching
    return frozenset(found)


__all__ = ["Engine", "Options", "Result", "changes", "describe"]
