"""A client's rush stays with the client."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask
from support import PASSWORD, Browser, Machine, wait_until
from twine.fair_share import FairShare
from twine.services import EXTENSION, Services


def test_a_share_is_bounded_for_each_key() -> None:
    shares = FairShare(2)

    assert [shares.take("a"), shares.take("a"), shares.take("a"), shares.take("b")] == [True, True, False, True]
    shares.give_back("a")
    assert shares.take("a")


def test_a_share_is_waited_for() -> None:
    shares = FairShare(1)
    shares.take("a")
    threading.Timer(0.05, shares.give_back, ["a"]).start()

    assert shares.take("a", patience=5)
    assert not shares.take("a", patience=0.01)


def test_a_share_comes_back_after_a_failure() -> None:
    shares = FairShare(1)
    with pytest.raises(ZeroDivisionError), shares.hold("a"):
        raise ZeroDivisionError

    assert shares.held("a") == 0


def test_a_client_does_not_take_every_connection(app_with: Callable[..., Flask], machine: Machine) -> None:
    app = app_with(client_share=8, database_pool=2)
    rush = [Browser(app) for _turn in range(3)]
    for person in rush:
        person.log_in("client-1", "staff-2@client-1.example", PASSWORD)
    other = Browser(app)
    other.log_in("client-2", "staff-2@client-2.example", PASSWORD)
    services: Services = app.extensions[EXTENSION]

    with machine.postgres.connect() as blocker, ThreadPoolExecutor(3) as pool:
        with blocker.transaction():
            blocker.execute("LOCK TABLE claims IN ACCESS EXCLUSIVE MODE")
            filing = [pool.submit(person.file) for person in rush]
            wait_until(lambda: services.queue.working("client-1") == 3, what="the rush")
            served = other.get("/api/staff")
        codes = [one.result().status_code for one in filing]

    assert served.status_code == 200
    assert codes == [201] * 3
