"""A client's rush stays with the client."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from flask import Flask
from support import PASSWORD, Browser, Machine, said, wait_until
from twine.fair_queue import FairQueue
from twine.services import EXTENSION, Services


def start_waiting(queue: FairQueue, client: str, served: list[str]) -> threading.Thread:
    """Let a request of the client wait in a thread; when its turn comes it says so and keeps it."""
    before = queue.waiting(client)

    def wait() -> None:
        assert queue.enter(client, 10)
        served.append(client)

    thread = threading.Thread(target=wait)
    thread.start()
    wait_until(lambda: queue.waiting(client) == before + 1, what=f"{client} waits")
    return thread


def _is_long(served: list[str], number: int) -> bool:
    return len(served) == number


def test_clients_take_turns_whatever_the_length_of_their_lines() -> None:
    queue, served = FairQueue(slots=1, share=1, line=10), list[str]()
    queue.enter("rush", 0)
    threads = [start_waiting(queue, client, served) for client in ("rush", "rush", "rush", "calm", "other")]
    for number, client in enumerate(["rush", "rush", "calm", "other", "rush"], 1):
        queue.leave(client)
        wait_until(partial(_is_long, served, number), what="the next is served")
    for thread in threads:
        thread.join()

    assert served == ["rush", "calm", "other", "rush", "rush"]


def test_a_client_leaves_room_for_others() -> None:
    queue = FairQueue(slots=3, share=2, line=0)

    assert [queue.enter(client, 0) for client in ("rush", "rush", "rush", "calm", "calm")] == [True, True, False, True, False]


def test_a_larger_share_calls_who_waits_and_a_smaller_one_stops_nobody() -> None:
    queue, served = FairQueue(slots=4, share=1, line=10), list[str]()
    queue.enter("rush", 0)
    threads = [start_waiting(queue, "rush", served) for _turn in range(3)]

    queue.allow(3)
    wait_until(partial(_is_long, served, 2), what="two more are served")
    queue.allow(1)
    assert (queue.working("rush"), queue.waiting("rush")) == (3, 1)
    for _turn in range(3):
        queue.leave("rush")
    for thread in threads:
        thread.join()
    assert (queue.working("rush"), queue.waiting("rush")) == (1, 0)


def test_a_full_line_is_refused_at_once() -> None:
    queue, served = FairQueue(slots=1, share=1, line=1), list[str]()
    queue.enter("rush", 0)
    thread = start_waiting(queue, "rush", served)

    assert not queue.enter("rush", 10)
    queue.leave("rush")
    thread.join()


def test_who_gives_up_is_not_called() -> None:
    queue = FairQueue(slots=1, share=1, line=5)
    queue.enter("rush", 0)

    assert not queue.enter("calm", 0.01)
    assert queue.waiting("calm") == 0
    queue.leave("rush")
    assert queue.enter("calm", 0)


def test_a_turn_ends_with_a_failure() -> None:
    queue = FairQueue(slots=1, share=1, line=0)
    with pytest.raises(ZeroDivisionError), queue.turn("rush", 0):
        raise ZeroDivisionError

    assert queue.working("rush") == 0


def test_no_turn_is_lost_in_a_crowd() -> None:
    queue, most, working = FairQueue(slots=3, share=2, line=100), 0, 0
    lock = threading.Lock()

    def work(number: int) -> bool:
        nonlocal most, working
        with queue.turn(f"client-{number % 4}", 20) as came:
            with lock:
                working += 1
                most = max(most, working)
            with lock:
                working -= 1
            return came

    with ThreadPoolExecutor(20) as pool:
        assert all(pool.map(work, range(2000)))
    assert most <= 3
    assert [queue.working(f"client-{number}") for number in range(4)] == [0] * 4


def test_a_rush_waits_in_its_own_line_and_others_are_served(app_with: Callable[..., Flask], machine: Machine) -> None:
    # Two of client-1 are worked on, one waits, and there is no room for more of them.
    app = app_with(threads=3, client_share=2, waiting=2, database_pool=4)
    services: Services = app.extensions[EXTENSION]
    rush = [Browser(app) for _turn in range(4)]
    for person in rush:
        person.log_in("client-1", "staff-2@client-1.example", PASSWORD)
    other = Browser(app)
    other.log_in("client-2", "staff-2@client-2.example", PASSWORD)

    with machine.postgres.connect() as blocker, ThreadPoolExecutor(3) as pool:
        with blocker.transaction():
            blocker.execute("LOCK TABLE claims IN ACCESS EXCLUSIVE MODE")
            filing = [pool.submit(person.file) for person in rush[:3]]
            wait_until(lambda: (services.queue.working("client-1"), services.queue.waiting("client-1")) == (2, 1), what="the rush")
            refused, served = rush[3].file(), other.get("/api/staff")
        codes = [one.result().status_code for one in filing]

    assert refused.status_code == 429
    assert refused.headers["Retry-After"] == "1"
    assert list(said(refused)) == ["error"]
    assert served.status_code == 200
    assert codes == [201] * 3
