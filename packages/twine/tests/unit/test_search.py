"""Search while Elasticsearch is away: the lesser way, and the person is told."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from support import Browser, said
from twine.search import NOTICE

Browse = Callable[..., Browser]


@pytest.fixture
def person(browser: Browse) -> Browser:
    """Somebody with a few claims."""
    person = browser("client-1", 3)
    person.file(reference="find/ME_7", description="Quokka in Zürich", category="other")
    return person


def references(person: Browser, query: str) -> list[str]:
    answer = said(person.get("/api/search", query_string={"q": query}))
    return [result["reference"] for result in answer["results"]]


def test_the_answer_says_that_it_is_degraded(person: Browser) -> None:
    answer = said(person.get("/api/search?q=quokka"))

    assert (answer["degraded"], answer["notice"]) == (True, NOTICE)
    assert NOTICE in person.get("/search?q=quokka").text


@pytest.mark.parametrize("query", ["quokka", "QUOK", "zürich quok", "find/ME_7", "other quokka", "me_7"])
def test_beginnings_of_words_are_found(person: Browser, query: str) -> None:
    assert references(person, query) == ["find/ME_7"]


@pytest.mark.parametrize("query", ["uokka", "quokka nowhere", "!!!", "&|!()", "quokka:*", "' OR 1=1 --", "%", "\\"])
def test_other_things_are_not_found_and_do_no_harm(person: Browser, query: str) -> None:
    assert references(person, query) in ([], ["find/ME_7"])
    assert person.get("/api/search", query_string={"q": query}).status_code == 200


@pytest.mark.parametrize("query", ["", "   "])
def test_nothing_is_asked_for_and_found(person: Browser, query: str) -> None:
    assert said(person.get("/api/search", query_string={"q": query})) == {"results": [], "degraded": False, "notice": None}


def test_an_exact_reference_comes_first(browser: Browse) -> None:
    person = browser("client-2", 3)
    for number in (1, *range(10, 35)):
        person.file(reference=f"many-{number}")

    assert references(person, "many-1")[0] == "many-1"


def test_a_manager_finds_claims_by_a_name(browser: Browse) -> None:
    name = said(browser("client-2", 2).file(reference="by-name"))["staff"]["name"]

    assert "by-name" in references(browser("client-2", 1), name)


def test_an_absent_search_does_not_hold_requests_up(person: Browser) -> None:
    references(person, "quokka")
    began = time.monotonic()
    for _turn in range(10):
        references(person, "quokka")

    assert time.monotonic() - began < 1


def test_a_very_long_query_is_cut(person: Browser) -> None:
    assert person.get("/api/search", query_string={"q": "quokka " * 5000}).status_code == 200
