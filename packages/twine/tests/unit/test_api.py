"""The API refuses what is no use to it, in one form."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from support import Browser, said
from twine.version import VERSION

Browse = Callable[..., Browser]
GUARDED = [
    ("GET", "/api/claims"),
    ("POST", "/api/claims"),
    ("GET", "/api/claims/1"),
    ("POST", "/api/claims/1/approve"),
    ("POST", "/api/claims/1/decline"),
    ("GET", "/api/search?q=train"),
    ("GET", "/api/staff"),
]


@pytest.mark.parametrize(("method", "path"), GUARDED)
def test_strangers_are_told_to_log_in(browser: Browse, method: str, path: str) -> None:
    answer = browser().client.open(path, method=method)

    assert answer.status_code == 401
    assert said(answer) == {"error": "Log in first."}


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [(b"{", "application/json", 400), (b"[]", "application/json", 400), (b"a=1", "application/x-www-form-urlencoded", 415), (b"", "", 415)],
)
def test_what_is_no_json_object_is_refused(browser: Browse, body: bytes, kind: str, status: int) -> None:
    answer = browser("client-1", 2).client.post("/api/claims", data=body, content_type=kind)

    assert answer.status_code == status
    assert list(said(answer)) == ["error"]


@pytest.mark.parametrize(("path", "status"), [("/api/nothing", 404), ("/api/login", 405), ("/api/claims/999999999", 404)])
def test_refusals_are_json(browser: Browse, path: str, status: int) -> None:
    answer = browser("client-1", 2).get(path)

    assert answer.status_code == status
    assert list(said(answer)) == ["error"]


def test_a_huge_body_is_refused(browser: Browse) -> None:
    assert browser("client-1", 2).file(description="x" * 70_000).status_code == 413


def test_an_id_beyond_the_database_is_no_claim(browser: Browse) -> None:
    assert browser("client-1", 2).get(f"/api/claims/{10**30}").status_code == 404


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost.evil.example"])
def test_a_page_of_another_site_cannot_write(browser: Browse, origin: str) -> None:
    answer = browser("client-1", 2).post("/api/logout", headers={"Origin": origin})

    assert answer.status_code == 403


def test_our_own_page_can_write(browser: Browse) -> None:
    assert browser("client-1", 2).post("/api/logout", headers={"Origin": "http://localhost:8080"}).status_code == 200


@pytest.mark.parametrize("path", ["/", "/login", "/health", "/ready", "/api/claims", "/nothing"])
def test_every_answer_says_the_version_and_guards_the_page(browser: Browse, path: str) -> None:
    headers = browser().get(path).headers

    assert headers["X-Twine-Version"] == VERSION
    assert "script" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"


def test_a_fault_of_ours_is_no_stack_trace(browser: Browse, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    person = browser("client-1", 2)
    monkeypatch.setattr("twine.api.list_staff", lambda *_asked: 1 / 0)
    answer = person.get("/api/staff")

    assert answer.status_code == 500
    assert said(answer) == {"error": "Something went wrong on our side. It has been noted; try again."}
    assert "ZeroDivisionError" in caplog.text
