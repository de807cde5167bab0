"""Logging in and out."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest
from flask import Flask
from support import PASSWORD, Browser, Machine, said
from twine.throttle import FAILURES_AT_ALL, FAILURES_FROM_ONE_ADDRESS

Browse = Callable[..., Browser]
ACCOUNT = {"client": "client-1", "email": "staff-2@client-1.example", "password": PASSWORD}


def test_the_right_password_logs_in(browser: Browse) -> None:
    person = browser()
    answer = person.post("/api/login", ACCOUNT)

    assert answer.status_code == 200
    staff = said(answer)["staff"]
    assert (staff["email"], staff["client"], staff["role"]) == ("staff-2@client-1.example", "client-1", "staff")
    assert person.get("/api/claims").status_code == 200


@pytest.mark.parametrize(
    "change", [{"password": "wrong"}, {"email": "nobody@client-1.example"}, {"client": "client-99"}, {"password": f"{PASSWORD} "}]
)
def test_anything_else_is_refused_in_the_same_words(browser: Browse, change: dict[str, str]) -> None:
    person = browser()
    answer = person.post("/api/login", {**ACCOUNT, **change}, headers={"X-Forwarded-For": str(uuid.uuid4())})

    assert answer.status_code == 401
    assert said(answer) == {"error": "The organisation, e-mail address or password is not right."}
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("field", ["client", "email", "password"])
@pytest.mark.parametrize("value", [None, "", 5, "a\0b", "x" * 400])
def test_a_field_that_is_no_use_is_named(browser: Browse, field: str, value: object) -> None:
    answer = browser().post("/api/login", {**ACCOUNT, field: value})

    assert answer.status_code == 400
    assert said(answer)["field"] == field


@pytest.mark.parametrize(("forwarded", "is_secure"), [("https", True), ("http", False), (None, False)])
def test_the_cookie_is_out_of_reach(browser: Browse, forwarded: str | None, is_secure: bool) -> None:
    headers = {"X-Forwarded-Proto": forwarded} if forwarded else {}
    cookie = browser().post("/api/login", ACCOUNT, headers=headers).headers["Set-Cookie"]

    assert cookie.startswith("twine_session=")
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert ("Secure" in cookie) is is_secure


def test_logging_out_ends_the_session_for_good(browser: Browse) -> None:
    person = browser()
    token = person.post("/api/login", ACCOUNT).headers["Set-Cookie"].partition(";")[0]
    person.post("/api/logout")

    assert browser().get("/api/claims", headers={"Cookie": token}).status_code == 401


def test_redis_does_not_hold_what_a_browser_shows(browser: Browse, machine: Machine) -> None:
    token = browser().post("/api/login", ACCOUNT).headers["Set-Cookie"].partition(";")[0].partition("=")[2]
    content = [(key, machine.shared.client().get(key)) for key in machine.shared.names() if key.startswith("session:")]

    assert content
    assert token not in str(content)


def test_a_session_ends_by_itself(app_with: Callable[..., Flask], machine: Machine) -> None:
    machine.shared.client().flushdb()
    Browser(app_with(session_seconds=77)).post("/api/login", ACCOUNT)

    assert [machine.shared.client().ttl(key) for key in machine.shared.names() if key.startswith("session:")] == [77]


def test_the_session_key_changes_under_running_sessions(browser: Browse, machine: Machine) -> None:
    person = browser("client-1", 2)
    try:
        for keys in ("a key\na new key", "a new key\na key"):
            machine.write_secret("session_key", keys)
            assert person.get("/api/claims").status_code == 200
        machine.write_secret("session_key", "a new key")
        assert person.get("/api/claims").status_code == 401
    finally:
        machine.write_secret("session_key", "a key")


def test_guessing_from_one_address_is_stopped(browser: Browse) -> None:
    guess = {**ACCOUNT, "email": "staff-3@client-3.example", "client": "client-3", "password": "guess"}
    here, elsewhere = {"X-Forwarded-For": "192.0.2.1"}, {"X-Forwarded-For": "192.0.2.2"}
    codes = [browser().post("/api/login", guess, headers=here).status_code for _turn in range(FAILURES_FROM_ONE_ADDRESS + 1)]

    assert codes == [401] * FAILURES_FROM_ONE_ADDRESS + [429]
    refused = browser().post("/api/login", {**guess, "password": PASSWORD}, headers=here)
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) > 0
    assert browser().post("/api/login", {**guess, "password": PASSWORD}, headers=elsewhere).status_code == 200


def test_guessing_from_many_addresses_is_stopped(browser: Browse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("twine.signing_in.authenticate", lambda *_given: None)
    guess = {**ACCOUNT, "email": f"{uuid.uuid4()}@client-1.example"}
    codes = [
        browser().post("/api/login", guess, headers={"X-Forwarded-For": f"192.0.2.{number}"}).status_code
        for number in range(FAILURES_AT_ALL + 1)
    ]

    assert codes == [401] * FAILURES_AT_ALL + [429]
