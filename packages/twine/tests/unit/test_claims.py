"""Filing, listing and deciding claims."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from support import Browser, Machine, a_claim, said

Browse = Callable[..., Browser]


def test_a_filed_claim_is_answered_as_it_is_kept(browser: Browse) -> None:
    answer = browser("client-1", 2).file(reference="kept-1", amount="1250.5", currency="eur", category="Meals", description=" Lunch ")

    assert answer.status_code == 201
    claim = said(answer)
    assert claim["id"] > 0
    assert (claim["reference"], claim["amount"], claim["currency"], claim["category"], claim["description"], claim["status"]) == (
        "kept-1",
        "1250.50",
        "EUR",
        "meals",
        "Lunch",
        "filed",
    )


def test_a_claim_and_its_outbox_entry_are_written_together(browser: Browse, machine: Machine) -> None:
    claim = said(browser("client-1", 2).file())

    assert machine.postgres.run("SELECT count(*) FROM search_outbox WHERE claim_id = %s", claim["id"]) == [(1,)]


def test_the_same_claim_again_is_the_same_claim(browser: Browse, machine: Machine) -> None:
    person, body = browser("client-1", 2), a_claim()
    first, second = person.post("/api/claims", body), person.post("/api/claims", body)

    assert (first.status_code, second.status_code) == (201, 200)
    assert said(first) == said(second)
    assert machine.postgres.run("SELECT count(*) FROM search_outbox WHERE claim_id = %s", said(first)["id"]) == [(1,)]


@pytest.mark.parametrize("change", [{"amount": "13"}, {"currency": "EUR"}, {"category": "meals"}, {"description": "Bus"}])
def test_another_content_under_a_used_reference_is_refused(browser: Browse, change: dict[str, str]) -> None:
    person, body = browser("client-1", 2), a_claim()
    person.post("/api/claims", body)
    answer = person.post("/api/claims", {**body, **change})

    assert answer.status_code == 409
    assert said(answer)["field"] == "reference"


def test_a_colleague_does_not_get_the_claim_behind_a_used_reference(browser: Browse) -> None:
    body = a_claim()
    browser("client-1", 2).post("/api/claims", body)
    answer = browser("client-1", 3).post("/api/claims", body)

    assert answer.status_code == 409
    assert "id" not in said(answer)


def test_many_at_once_file_one_claim(browser: Browse, machine: Machine) -> None:
    people, body = [browser("client-1", 2) for _turn in range(6)], a_claim()
    with ThreadPoolExecutor(len(people)) as pool:
        filing = [pool.submit(person.post, "/api/claims", body) for person in people]
        answers = [one.result() for one in filing]

    assert sorted(answer.status_code for answer in answers) == [200] * 5 + [201]
    assert machine.postgres.run("SELECT count(*) FROM claims WHERE reference = %s", body["reference"]) == [(1,)]


def test_lists_are_newest_first_and_paged(browser: Browse) -> None:
    person = browser("client-2", 3)
    ids = [said(person.file())["id"] for _turn in range(5)]
    first = [claim["id"] for claim in said(person.get("/api/claims?limit=2"))["claims"]]
    second = [claim["id"] for claim in said(person.get(f"/api/claims?limit=2&before={first[-1]}"))["claims"]]

    assert first + second == ids[:0:-1]


@pytest.mark.parametrize("query", ["limit=0", "limit=-1", "limit=201", "limit=x", "before=0", "before=²", "before=99999999999999999999"])
def test_a_wrong_page_is_refused(browser: Browse, query: str) -> None:
    answer = browser("client-1", 2).get(f"/api/claims?{query}")

    assert answer.status_code == 400
    assert said(answer)["field"] == query.split("=")[0]


def test_a_manager_approves_once(browser: Browse, machine: Machine) -> None:
    manager, claim = browser("client-1", 1), said(browser("client-1", 2).file())
    first, second = (manager.post(f"/api/claims/{claim['id']}/approve") for _turn in range(2))

    assert (first.status_code, second.status_code) == (200, 200)
    assert said(first) == said(second)
    assert said(first)["status"] == "approved"
    assert machine.postgres.run("SELECT count(*) FROM search_outbox WHERE claim_id = %s", claim["id"]) == [(2,)]


def test_a_decision_stands(browser: Browse) -> None:
    manager, claim = browser("client-1", 1), said(browser("client-1", 2).file())
    manager.post(f"/api/claims/{claim['id']}/decline")
    answer = manager.post(f"/api/claims/{claim['id']}/approve")

    assert answer.status_code == 409
    assert said(answer) == {"error": "This claim is declined already."}


def test_staff_do_not_decide(browser: Browse) -> None:
    person = browser("client-1", 2)
    answer = person.post(f"/api/claims/{said(person.file())['id']}/approve")

    assert answer.status_code == 403


def test_a_former_manager_does_not_decide_though_the_session_says_manager(browser: Browse, machine: Machine) -> None:
    manager, claim = browser("client-3", 1), said(browser("client-3", 2).file())
    machine.postgres.run("UPDATE staff SET role = 'staff' WHERE email = 'staff-1@client-3.example'")
    try:
        assert manager.post(f"/api/claims/{claim['id']}/approve").status_code == 403
    finally:
        machine.postgres.run("UPDATE staff SET role = 'manager' WHERE email = 'staff-1@client-3.example'")
