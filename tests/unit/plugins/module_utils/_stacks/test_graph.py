"""The graph over all accounts: its mistakes, its critical path, and the queue that walks it."""

from __future__ import annotations

import heapq
from typing import Any

import pytest

from ansible_collections.twine.platform.plugins.module_utils._aws.errors import Failure
from ansible_collections.twine.platform.plugins.module_utils._stacks.graph import Graph, ReadyQueue, build, critical_path, remaining
from ansible_collections.twine.platform.plugins.module_utils._stacks.spec import parse


def stack(name: str, *parents: str, **keys: Any) -> dict[str, Any]:
    return {"name": name, "parameters": {f"P{n}": {"output": f"{parent}.Id"} for n, parent in enumerate(parents)}, **keys}


def graph(raw: dict[str, Any]) -> Graph:
    return build(parse(raw))


def test_references_order_over_accounts() -> None:
    found = graph({"dev": [stack("peering", "network", "bastion/network"), stack("network")], "bastion": [stack("network")]})
    assert found.parents["dev/peering"] == {"dev/network", "bastion/network"}
    assert found.order().index("dev/peering") == 2
    assert found.descendants("bastion/network") == {"dev/peering"}


def test_after_orders_without_a_value() -> None:
    assert graph({"dev": [stack("a", after=["b"]), stack("b")]}).parents["dev/a"] == {"dev/b"}


def test_an_account_waits_for_the_stack_that_makes_its_role() -> None:
    found = graph({"dev": [stack("access", credentials="account"), stack("a")], "dns": [stack("b")]})
    assert found.parents == {"dev/access": frozenset(), "dev/a": {"dev/access"}, "dns/b": frozenset()}


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        ({"dev": [stack("a", "b")]}, "parameter 'P0' names the stack 'dev/b', which is not in the list"),
        ({"dev": [stack("a", after=["prod/b"])]}, "'after' names the stack 'prod/b'"),
        ({"dev": [stack("a", "a")]}, "dev/a → dev/a"),
        ({"dev": [stack("a", "b"), stack("b", "c"), stack("c", "a"), stack("d", "a")]}, "dev/a → dev/c → dev/b → dev/a"),
        ({"dev": [stack("a", "prod/a")], "prod": [stack("a", "dev/a")]}, "dev/a → prod/a → dev/a"),
    ],
)
def test_a_graph_that_cannot_be_walked_is_refused(raw: dict[str, Any], told: str) -> None:
    with pytest.raises(Failure) as failure:
        graph(raw)
    assert told in str(failure.value)


DIAMOND = {"dev": [stack("a"), stack("b", "a"), stack("c", "a"), stack("d", "b", "c"), stack("e")]}
SECONDS = {"dev/a": 1.0, "dev/b": 10.0, "dev/c": 2.0, "dev/d": 1.0, "dev/e": 5.0}


def test_the_critical_path_follows_durations() -> None:
    assert critical_path(graph(DIAMOND), SECONDS) == (["dev/a", "dev/b", "dev/d"], 12.0)


def test_nothing_has_no_critical_path() -> None:
    assert critical_path(graph({}), {}) == ([], 0.0)


def queue(raw: dict[str, Any], seconds: dict[str, float], parallel: int = 8, only: frozenset[str] | None = None) -> ReadyQueue:
    found = graph(raw)
    return ReadyQueue(found, remaining(found, seconds), parallel, frozenset(found.parents) if only is None else only)


def test_the_longest_path_starts_first_and_an_account_is_never_overfull() -> None:
    ready = queue(DIAMOND, SECONDS, parallel=1)
    assert ready.take() == ["dev/a"]
    assert ready.take() == []
    ready.finish("dev/a")
    assert ready.take() == ["dev/b"]


def test_another_account_has_room_of_its_own() -> None:
    assert queue({"dev": [stack("a"), stack("b")], "prod": [stack("a")]}, {}, parallel=1).take() == ["dev/a", "prod/a"]


def test_what_is_not_selected_is_taken_as_done() -> None:
    assert queue(DIAMOND, SECONDS, only=frozenset({"dev/d"})).take() == ["dev/d"]


def test_nothing_below_a_failure_starts() -> None:
    ready = queue(DIAMOND, SECONDS)
    ready.take()
    ready.drop("dev/a")
    ready.finish("dev/e")
    assert ready.take() == [] and ready.left == {"dev/b", "dev/c", "dev/d"}


def simulated(ready: ReadyQueue, seconds: dict[str, float]) -> float:
    """Wall seconds of a run in which each stack takes exactly its time."""
    now, ends = 0.0, [(seconds[key], key) for key in ready.take()]
    heapq.heapify(ends)
    while ends:
        now, key = heapq.heappop(ends)
        ready.finish(key)
        for begun in ready.take():
            heapq.heappush(ends, (now + seconds[begun], begun))
    return now


def estate_of_twenty() -> tuple[dict[str, Any], dict[str, float]]:
    """Four accounts in shape and durations of a real estate (seconds from rain's published table)."""
    raw: dict[str, Any] = {}
    seconds: dict[str, float] = {}
    for account in ("dev", "prod", "bastion", "dns"):
        below = ["bastion/network"] if account in ("dev", "prod") else []
        raw[account] = [stack("network"), stack("zone"), stack("data", "network"), stack("search", "network")]
        raw[account] += [stack("peering", "network", *below), stack("application", "data", "search", "zone")]
        named = {"network": 106.0, "zone": 71.0, "data": 712.0, "search": 180.0, "peering": 10.0, "application": 116.0}
        seconds |= {f"{account}/{name}": took for name, took in named.items()}
    return raw, seconds


def test_the_ready_queue_takes_no_longer_than_the_critical_path() -> None:
    raw, seconds = estate_of_twenty()
    wall = simulated(queue(raw, seconds), seconds)
    _path, critical = critical_path(graph(raw), seconds)
    assert len(seconds) >= 20
    assert wall <= 1.05 * critical
    assert sum(seconds.values()) >= 3 * wall
