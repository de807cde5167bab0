"""The pages, as a person goes through them."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from support import PASSWORD, Browser, Machine, said
from twine.version import VERSION

Browse = Callable[..., Browser]
ACCOUNT = {"client": "client-1", "email": "staff-2@client-1.example", "password": PASSWORD}
CLAIM = {"amount": "18.40", "currency": "GBP", "category": "meals", "description": "Lunch with visitors"}


def test_a_stranger_is_led_to_the_door_and_back(browser: Browse) -> None:
    person = browser()
    led = person.get("/claims?status=filed")
    assert led.headers["Location"] == "/login?next=/claims%3Fstatus%3Dfiled"

    entered = person.send_form(led.headers["Location"], {**ACCOUNT, "next": "/claims?status=filed"}, "/login")
    assert (entered.status_code, entered.headers["Location"]) == (303, "/claims?status=filed")
    assert "Log out" in person.get("/").text


@pytest.mark.parametrize("target", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/\nx"])
def test_the_door_leads_nowhere_else(browser: Browse, target: str) -> None:
    answer = browser().send_form("/login", {**ACCOUNT, "next": target}, "/login")

    assert answer.headers["Location"] == "/"


def test_a_wrong_password_leaves_the_form_filled_in(browser: Browse) -> None:
    answer = browser().send_form("/login", {**ACCOUNT, "password": "wrong"})

    assert answer.status_code == 401
    assert "password is not right" in answer.text
    assert 'value="staff-2@client-1.example"' in answer.text
    assert "wrong" not in answer.text


def test_a_log_in_form_of_another_browser_is_refused(browser: Browse) -> None:
    foreign = re.search(r'name="form_token" value="([^"]+)"', browser().get("/login").text)
    assert foreign is not None
    answer = browser().client.post("/login", data={**ACCOUNT, "form_token": foreign[1]})

    assert answer.status_code == 400
    assert "Set-Cookie" not in answer.headers or "twine_session" not in answer.headers["Set-Cookie"]


@pytest.mark.parametrize("path", ["/claims/new", "/claims/1", "/logout"])
def test_a_form_without_its_token_is_refused(browser: Browse, path: str) -> None:
    answer = browser("client-1", 1).client.post(path, data=CLAIM)

    assert answer.status_code == 400
    assert "grown old" in answer.text


def test_a_claim_is_filed_seen_and_approved(browser: Browse) -> None:
    person, manager = browser("client-1", 2), browser("client-1", 1)
    filed = person.send_form("/claims/new", {**CLAIM, "reference": "page-1"})
    path = filed.headers["Location"].partition("?")[0]
    assert "Your claim is filed" in person.get(filed.headers["Location"]).text
    assert "Approve" not in person.get(path).text

    manager.send_form(path, {"decision": "approve"})
    assert "<strong>Approved</strong> by" in person.get(path).text
    assert "Decline" not in manager.get(path).text


def test_a_form_sent_twice_files_one_claim(browser: Browse) -> None:
    person = browser("client-1", 2)
    first, second = (person.send_form("/claims/new", {**CLAIM, "reference": "page-2"}).headers["Location"] for _turn in range(2))

    assert first == second


def test_a_mistake_is_shown_beside_its_field(browser: Browse) -> None:
    answer = browser("client-1", 2).send_form("/claims/new", {**CLAIM, "reference": "page-3", "amount": "a lot"})

    assert answer.status_code == 400
    assert 'The amount is a number such as 12.50.' in answer.text
    assert "Lunch with visitors</textarea>" in answer.text


def test_what_people_write_is_text(browser: Browse) -> None:
    person = browser("client-1", 2)
    claim = said(person.file(description="<script>alert(1)</script> & more"))
    shown = person.get(f"/claims/{claim['id']}").text + person.get("/claims").text + person.get("/search?q=alert%3Cb%3E").text

    assert "<script" not in shown
    assert "<b>" not in shown
    assert "&lt;script&gt;" in shown


def test_found_words_are_marked(browser: Browse) -> None:
    person = browser("client-1", 2)
    person.file(description="Ferry <to> Oban")

    assert "<mark>Ferry</mark> &lt;to&gt; Oban" in person.get("/search?q=ferry").text
    assert "What are you looking for?" in person.get("/search").text
    assert "Nothing found for" in person.get("/search?q=zebra").text


@pytest.mark.parametrize(
    "path", ["/", "/claims", "/claims?status=declined&before=1", "/claims?before=x&status=none", "/claims/new", "/search", "/staff"]
)
@pytest.mark.parametrize("number", [1, 3])
def test_every_page_is_whole_and_says_the_version(browser: Browse, path: str, number: int) -> None:
    answer = browser("client-3", number).get(path)

    assert answer.status_code == 200
    assert answer.text.rstrip().endswith("</html>")
    assert f"Twine {VERSION}" in answer.text
    assert "Log out" in answer.text


def test_a_manager_sees_the_sums_change(browser: Browse) -> None:
    manager, person = browser("client-3", 1), browser("client-3", 2)
    before = manager.get("/").text
    person.send_form("/claims/new", {**CLAIM, "reference": "page-sum", "amount": "4321.00"})

    assert "4,321.00" not in before
    assert "4,321.00" in manager.get("/").text


def test_long_lists_have_pages(browser: Browse) -> None:
    person = browser("client-3", 3)
    for number in range(21):
        person.file(description=f"Bus number {number:02}")
    first = person.get("/claims").text
    older = re.search(r'href="(/claims\?before=\d+)"', first)

    assert "Bus number 20" in first
    assert "Bus number 00" not in first
    assert older is not None
    assert "Bus number 00" in person.get(older[1]).text


def test_the_style_sheet_is_kept_only_under_its_own_name(browser: Browse) -> None:
    person = browser()
    found = re.search(r'href="(/style/\w+\.css)"', person.get("/login").text)
    assert found is not None

    assert "immutable" in person.get(found[1]).headers["Cache-Control"]
    assert person.get("/style/another.css").headers["Cache-Control"] == "no-store"


def test_no_page_asks_another_host(browser: Browse, machine: Machine) -> None:
    person = browser("client-1", 1)
    pages = "".join(person.get(path).text for path in ("/", "/claims", "/claims/new", "/search", "/staff")) + browser().get("/login").text

    assert not re.findall(r'(?:src|href|action)="(?:https?:)?//', pages)
