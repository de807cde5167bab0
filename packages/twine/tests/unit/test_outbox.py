"""The outbox loses nothing while search is away."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable

import pytest
from support import Browser, Machine, said, stop, wait_until
from twine.outbox import Outbox
from twine.search_index import Document, SearchAwayError
from twine.settings import Settings

Browse = Callable[..., Browser]


def entries(machine: Machine, claim_id: int) -> int:
    return int(machine.postgres.run("SELECT count(*) FROM search_outbox WHERE claim_id = %s", claim_id)[0][0])


def test_an_entry_stays_while_search_is_away(browser: Browse, machine: Machine, settings: Settings) -> None:
    claim = said(browser("client-1", 2).file())
    outbox = Outbox(settings)

    with pytest.raises(SearchAwayError):
        outbox.step()
    outbox.close()
    assert entries(machine, claim["id"]) == 1


def test_the_worker_goes_on_and_says_so_once(
    browser: Browse, machine: Machine, settings: Settings, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = said(browser("client-1", 2).file())
    monkeypatch.setattr("twine.outbox.PAUSE_SECONDS", 0.01)
    monkeypatch.setattr("twine.outbox.LONGEST_PAUSE_SECONDS", 0.01)
    caplog.set_level(logging.INFO, logger="twine.outbox")
    halt, outbox, failures = threading.Event(), Outbox(settings), 0

    def put(*_given: object) -> dict[int, str]:
        nonlocal failures
        failures += 1
        if failures < 4:
            raise SearchAwayError("not yet")
        return {}

    monkeypatch.setattr("twine.search_index.SearchIndex.put", put)
    monkeypatch.setattr("twine.search_index.SearchIndex.exists", lambda _index: True)
    worker = threading.Thread(target=outbox.work, args=(halt,))
    worker.start()
    wait_until(lambda: entries(machine, claim["id"]) == 0, what="the entry is worked off")
    halt.set()
    worker.join(5)
    assert [record.message for record in caplog.records if record.name == "twine.outbox"] == [
        "Failed to update the search index, entries are kept: not yet.",
        "The search index is updated again.",
    ]


def test_a_refused_claim_waits_and_holds_nothing_up(browser: Browse, machine: Machine, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    bad, good = (said(browser("client-1", 2).file())["id"] for _turn in range(2))
    monkeypatch.setattr("twine.search_index.SearchIndex.exists", lambda _index: True)
    monkeypatch.setattr("twine.search_index.SearchIndex.put", lambda *_given: {bad: "no good"})
    outbox = Outbox(settings)
    outbox.step()
    outbox.close()

    assert (entries(machine, good), entries(machine, bad)) == (0, 1)
    later = machine.postgres.run("SELECT attempts, due_at > now() FROM search_outbox WHERE claim_id = %s", bad)
    assert later == [(1, True)]


def test_two_machines_never_take_the_same_entry(browser: Browse, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    claim_id = said(browser("client-1", 2).file())["id"]
    taken: list[list[int]] = []
    other = Outbox(settings)

    def put(_index: object, documents: list[Document]) -> dict[int, str]:
        taken.append([document.id for document in documents])
        if len(taken) == 1:
            other.step()
        return {}

    monkeypatch.setattr("twine.search_index.SearchIndex.exists", lambda _index: True)
    monkeypatch.setattr("twine.search_index.SearchIndex.put", put)
    outbox = Outbox(settings)
    outbox.step()
    outbox.close()
    other.close()
    assert claim_id in taken[0]
    assert all(claim_id not in batch for batch in taken[1:])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_worker_ends_when_told(browser: Browse, machine: Machine, number: signal.Signals) -> None:
    browser("client-1", 2).file()
    worker = machine.start("worker")
    assert worker.stdout is not None
    line = worker.stdout.readline()
    assert "entries are kept" in line
    printed = stop(worker, number)

    assert worker.returncode == 0
    assert "Traceback" not in printed


def test_without_search_there_is_nothing_to_work(machine: Machine) -> None:
    done = machine.command("worker", TWINE_SEARCH_URL="")

    assert done.returncode == 0
    assert "TWINE_SEARCH_URL is not set" in done.stdout
