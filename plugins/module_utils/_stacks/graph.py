"""The graph over all accounts, and the ready queue that walks it: pure, no clock, no network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from .._aws.errors import Failure
from .spec import Stack

UNKNOWN_SECONDS = 60.0  # for a stack that was never deployed


@dataclass(frozen=True)
class Graph:
    """Parents and children of each stack, by key."""

    parents: dict[str, frozenset[str]]
    children: dict[str, frozenset[str]]

    def descendants(self, key: str) -> set[str]:
        """All stacks that wait, directly or not, for ``key``."""
        found: set[str] = set()
        left = list(self.children[key])
        while left:
            child = left.pop()
            if child not in found:
                found.add(child)
                left.extend(self.children[child])
        return found

    def order(self) -> list[str]:
        """Parents before children, else as written."""
        waiting = {key: set(parents) for key, parents in self.parents.items()}
        rank = {key: position for position, key in enumerate(waiting)}
        ordered: list[str] = []
        ready = [key for key, parents in waiting.items() if not parents]
        while ready:
            key = ready.pop(0)
            ordered.append(key)
            for child in sorted(self.children[key], key=rank.__getitem__):
                waiting[child].discard(key)
                if not waiting[child]:
                    ready.append(child)
        return ordered


def build(stacks: Mapping[str, Stack]) -> Graph:
    """Make the graph. Raises :class:`Failure` for an unknown stack or a cycle.

    Every stack of an account waits for the account's stack with ``credentials: account``: that one makes the role.
    """
    problems: list[str] = []
    gates = {stack.account: key for key, stack in stacks.items() if stack.credentials == "account"}
    parents: dict[str, set[str]] = {key: set() for key in stacks}
    for key, stack in stacks.items():
        wanted = [(f"parameter '{name}'", reference.key) for name, reference in stack.references()]
        wanted += [("'after'", after) for after in stack.after]
        for what, parent in wanted:
            if parent not in stacks:
                problems.append(f"{stack.where}: {what} names the stack '{parent}', which is not in the list. Correct it.")
            else:
                parents[key].add(parent)
        gate = gates.get(stack.account)
        if gate and stack.credentials == "role":
            parents[key].add(gate)
    if problems:
        raise Failure("\n".join(["Failed to connect the stacks:", *problems]))
    cycle = _cycle(parents)
    if cycle:
        raise Failure(f"Failed to order the stacks: they wait for each other in a circle: {' → '.join(cycle)}. Take one of these references out.")
    children: dict[str, set[str]] = {key: set() for key in stacks}
    for key, above in parents.items():
        for parent in above:
            children[parent].add(key)
    return Graph(
        {key: frozenset(above) for key, above in parents.items()},
        {key: frozenset(below) for key, below in children.items()},
    )


def _cycle(parents: Mapping[str, set[str]]) -> list[str]:
    """One cycle, first key repeated at its end; empty if there is none."""
    left = {key: set(above) for key, above in parents.items()}
    while True:
        free = [key for key, above in left.items() if not above]
        if not free:
            break
        for key in free:
            del left[key]
        for above in left.values():
            above.difference_update(free)
    if not left:
        return []
    path = [min(left)]
    while True:
        step = min(left[path[-1]])
        if step in path:
            circle = [*path[path.index(step) :], step]
            return circle[::-1]
        path.append(step)


def remaining(graph: Graph, seconds: Mapping[str, float], default: float = UNKNOWN_SECONDS) -> dict[str, float]:
    """For each stack: seconds from its start to the end of the longest path below it."""
    longest: dict[str, float] = {}
    for key in reversed(graph.order()):
        below = max((longest[child] for child in graph.children[key]), default=0.0)
        longest[key] = seconds.get(key, default) + below
    return longest


def critical_path(graph: Graph, seconds: Mapping[str, float], default: float = UNKNOWN_SECONDS) -> tuple[list[str], float]:
    """The path that decides how long everything takes, and its seconds."""
    longest = remaining(graph, seconds, default)
    path: list[str] = []
    step: Iterable[str] = [key for key, above in graph.parents.items() if not above]
    while step:
        key = max(step, key=lambda candidate: longest[candidate])
        path.append(key)
        step = graph.children[key]
    return path, longest[path[0]] if path else 0.0


@dataclass
class ReadyQueue:
    """What may start now: parents done, account not full, longest remaining path first."""

    graph: Graph
    priority: Mapping[str, float]
    parallel: int
    selected: frozenset[str]
    done: set[str] = field(default_factory=set)
    running: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)

    def take(self) -> list[str]:
        """Stacks to start now; they count as running until :meth:`finish`."""
        busy = Counter(_account(key) for key in self.running)
        free = [key for key in self.left if (self.graph.parents[key] & self.selected) <= self.done]
        taken: list[str] = []
        for key in sorted(free, key=lambda candidate: (-self.priority[candidate], candidate)):
            if busy[_account(key)] < self.parallel:
                busy[_account(key)] += 1
                taken.append(key)
        self.running.update(taken)
        return taken

    def finish(self, key: str) -> None:
        """``key`` is done; its children may start."""
        self.running.discard(key)
        self.done.add(key)

    def drop(self, key: str) -> None:
        """``key`` failed: it no longer runs, and nothing below it will."""
        self.running.discard(key)
        self.failed.add(key)

    @property
    def left(self) -> set[str]:
        """Not begun."""
        return set(self.selected - self.done - self.running - self.failed)


def _account(key: str) -> str:
    return key.split("/", 1)[0]
