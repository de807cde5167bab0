"""A client's allowance is the same however many machines there are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask
from support import PASSWORD, Browser, Machine, Redis, wait_until
from twine.machines import GONE_SECONDS, NAME, Machines, part_of
from twine.services import EXTENSION, Services
from twine.sessions import connect_redis

ALLOWANCE, MOST = 12, 6


class Fleet:
    """Machines beside each other, and what each of them grants a client."""

    def __init__(self, url: str) -> None:
        self.machines: list[Machines] = []
        self._url = url

    def grow(self, number: int) -> None:
        """Let more machines serve, up to a number."""
        while len(self.machines) < number:
            self.machines.append(Machines(connect_redis(self._url, 1.0), ALLOWANCE, MOST))

    def parts(self) -> list[int]:
        """Let each be heard of, then ask each for its part."""
        for machine in self.machines:
            machine.part()
        return sorted(part for machine in self.machines if (part := machine.part()) is not None)


@pytest.fixture
def fleet(machine: Machine) -> Iterator[Fleet]:
    """Machines on the shared Redis."""
    fleet = Fleet(machine.shared.url)
    yield fleet
    machine.shared.client().delete(NAME)


@pytest.mark.parametrize("number", [2, 3, 5, 8, 10, 12])
def test_all_machines_together_grant_the_allowance(fleet: Fleet, number: int) -> None:
    fleet.grow(number)
    parts = fleet.parts()

    assert (len(parts), sum(parts)) == (number, ALLOWANCE)
    assert parts[-1] - parts[0] <= 1


@pytest.mark.parametrize(
    ("allowance", "machines", "parts"),
    [(12, 1, [6]), (12, 2, [6, 6]), (12, 5, [3, 3, 2, 2, 2]), (2, 3, [1, 1, 1])],
)
def test_a_part_is_at_least_one_and_at_most_what_a_machine_bears(allowance: int, machines: int, parts: list[int]) -> None:
    assert [part_of(allowance, machines, place, MOST) for place in range(machines)] == parts


def test_a_machine_that_stops_leaves_its_part_to_the_others(fleet: Fleet) -> None:
    fleet.grow(4)
    assert fleet.parts() == [3, 3, 3, 3]
    fleet.machines.pop().close()

    assert fleet.parts() == [4, 4, 4]


def test_a_machine_that_is_not_heard_of_any_more_is_not_counted(fleet: Fleet, machine: Machine) -> None:
    fleet.grow(4)
    assert fleet.parts() == [3, 3, 3, 3]
    dead = fleet.machines.pop()
    now, _microseconds = machine.shared.client().time()
    machine.shared.client().zadd(NAME, {dead._me: now - GONE_SECONDS - 1})

    assert fleet.parts() == [4, 4, 4]


def test_the_share_stays_while_redis_is_away(machine: Machine, caplog: pytest.LogCaptureFixture) -> None:
    granted: list[int] = []
    with Redis(machine.folder / "lost") as lost:
        fleet = Fleet(lost.url)
        fleet.grow(2)
        assert fleet.parts() == [6, 6]
        here = Machines(connect_redis(lost.url, 1.0), ALLOWANCE, MOST)
        here.watch(granted.append)
        wait_until(lambda: granted == [4], what="its part is granted")
    assert here.part() is None
    here.close()

    assert granted == [4]
    assert "clients keep the share that they had" in caplog.text


def test_a_rush_over_two_machines_is_held_to_one_allowance(app_with: Callable[..., Flask], machine: Machine) -> None:
    apps = [app_with(threads=6, client_share=2, client_allowance=2, database_pool=4) for _turn in range(2)]
    queues = [services.queue for services in (_services(app) for app in apps)]
    wait_until(lambda: [queue.share for queue in queues] == [1, 1], what="each grants one")
    rush = [Browser(app) for app in apps for _turn in range(2)]
    for person in rush:
        person.log_in("client-1", "staff-2@client-1.example", PASSWORD)

    with machine.postgres.connect() as blocker, ThreadPoolExecutor(4) as pool:
        with blocker.transaction():
            blocker.execute("LOCK TABLE claims IN ACCESS EXCLUSIVE MODE")
            filing = [pool.submit(person.file) for person in rush]
            wait_until(lambda: all(queue.waiting("client-1") == 1 for queue in queues), what="the rush")
            working = [queue.working("client-1") for queue in queues]
        codes = [one.result().status_code for one in filing]

    assert working == [1, 1]
    assert codes == [201] * 4


def _services(app: Flask) -> Services:
    services: Services = app.extensions[EXTENSION]
    return services
