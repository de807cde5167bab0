"""No client reaches what is another's, by any way there is."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest
from flask import Flask
from support import PASSWORD, Browser, Machine, a_claim, said

Browse = Callable[..., Browser]


@pytest.fixture
def foreign(browser: Browse) -> dict[str, object]:
    """A claim of client-2."""
    claim: dict[str, object] = said(browser("client-2", 2).file(description="Zanzibar by ship"))
    return claim


@pytest.mark.parametrize("number", [1, 2])
def test_a_foreign_claim_is_not_there(browser: Browse, foreign: dict[str, object], number: int) -> None:
    person = browser("client-1", number)

    assert person.get(f"/api/claims/{foreign['id']}").status_code == 404
    assert person.get(f"/claims/{foreign['id']}").status_code == 404


@pytest.mark.parametrize("decision", ["approve", "decline"])
def test_a_foreign_claim_is_not_decided(browser: Browse, machine: Machine, foreign: dict[str, object], decision: str) -> None:
    manager = browser("client-1", 1)

    assert manager.post(f"/api/claims/{foreign['id']}/{decision}").status_code == 404
    assert manager.send_form("/claims/new", {"decision": decision}, f"/claims/{foreign['id']}").status_code == 404
    assert machine.postgres.run("SELECT status FROM claims WHERE id = %s", foreign["id"]) == [("filed",)]


def test_foreign_claims_are_not_listed_or_found(browser: Browse, foreign: dict[str, object]) -> None:
    manager = browser("client-1", 1)

    assert foreign["id"] not in [claim["id"] for claim in said(manager.get("/api/claims?limit=200"))["claims"]]
    assert said(manager.get("/api/search?q=zanzibar"))["results"] == []
    assert "Zanzibar" not in manager.get("/").text + manager.get("/claims").text + manager.get("/search?q=ship").text


def test_an_index_that_returns_foreign_ids_shows_nothing(
    app_with: Callable[..., Flask], foreign: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("twine.search_index.SearchIndex.find", lambda *_asked: [foreign["id"]])
    monkeypatch.setattr("twine.search.AWAY_SECONDS", -60.0)

    manager = Browser(app_with())
    manager.log_in("client-1", "staff-1@client-1.example", PASSWORD)
    answer = said(manager.get("/api/search?q=zanzibar"))
    assert answer == {"degraded": False, "notice": None, "results": []}


def test_foreign_staff_are_not_listed(browser: Browse) -> None:
    staff = said(browser("client-1", 1).get("/api/staff"))["staff"]

    assert len(staff) == 3
    assert {person["email"].partition("@")[2] for person in staff} == {"client-1.example"}


def test_the_same_reference_is_two_claims_at_two_clients(browser: Browse) -> None:
    body = a_claim()
    answers = [browser(client, 2).post("/api/claims", body) for client in ("client-1", "client-2")]

    assert [answer.status_code for answer in answers] == [201, 201]
    assert said(answers[0])["id"] != said(answers[1])["id"]


def test_the_address_of_another_client_does_not_log_in(browser: Browse) -> None:
    assert browser().log_in("client-1", "staff-1@client-2.example", "correct horse").status_code == 401


def test_staff_see_their_own_claims_only_and_managers_all(browser: Browse) -> None:
    claim = said(browser("client-1", 2).file(description="Private matter"))
    colleague, manager = browser("client-1", 3), browser("client-1", 1)

    assert colleague.get(f"/api/claims/{claim['id']}").status_code == 404
    assert claim["id"] not in [found["id"] for found in said(colleague.get("/api/claims"))["claims"]]
    assert said(colleague.get("/api/search?q=private+matter"))["results"] == []
    assert manager.get(f"/api/claims/{claim['id']}").status_code == 200


def test_the_database_refuses_a_claim_by_another_clients_staff(machine: Machine) -> None:
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        machine.postgres.run(
            """
            INSERT INTO claims (client_id, staff_id, reference, amount, currency, category, description)
            SELECT (SELECT id FROM clients WHERE slug = 'client-1'), s.id, 'crossed', 1, 'GBP', 'other', 'x'
            FROM staff s JOIN clients c ON c.id = s.client_id WHERE c.slug = 'client-2' LIMIT 1
            """
        )


def test_the_fragments_of_clients_are_apart(browser: Browse, machine: Machine) -> None:
    pages = {client: browser(client, 1).get("/staff").text for client in ("client-1", "client-2")}

    assert "staff-1@client-1.example" in pages["client-1"]
    assert "client-1.example" not in pages["client-2"]
    assert len([key for key in machine.local.names() if key.endswith(":directory")]) >= 2
