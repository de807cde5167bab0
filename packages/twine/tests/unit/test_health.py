"""Alive, ready, degraded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from flask import Flask
from support import PASSWORD, Browser, Redis, said, wait_until
from twine.version import VERSION

NOWHERE = "redis://127.0.0.1:9/0"


def test_ready_without_search_is_degraded(app: Flask) -> None:
    wait_until(lambda: said(Browser(app).get("/ready"))["degraded"], what="search is found away")
    answer = Browser(app).get("/ready")

    assert answer.status_code == 200
    assert said(answer) | {"caches": None} == {
        "caches": None,
        "status": "ready",
        "version": VERSION,
        "degraded": True,
        "dependencies": {"database": "ok", "sessions": "ok", "search": "away", "fragments": "ok"},
    }


def test_not_ready_without_sessions(app_with: Callable[..., Flask]) -> None:
    answer = Browser(app_with(session_redis_url=NOWHERE)).get("/ready")

    assert answer.status_code == 503
    assert said(answer)["status"] == "not ready"
    assert said(answer)["dependencies"]["sessions"] == "away"


def test_not_ready_without_the_database(app_with: Callable[..., Flask]) -> None:
    answer = Browser(app_with(database_port=9)).get("/ready")

    assert answer.status_code == 503
    assert said(answer)["dependencies"]["database"] == "away"


def test_alive_without_anything(app_with: Callable[..., Flask]) -> None:
    app = app_with(session_redis_url=NOWHERE, fragment_redis_url=NOWHERE, database_port=9, search_url=None)
    answer = Browser(app).get("/health")

    assert answer.status_code == 200
    assert said(answer) == {"status": "alive", "version": VERSION}


def test_ready_and_serving_without_fragments(app_with: Callable[..., Flask]) -> None:
    person = Browser(app_with(fragment_redis_url=NOWHERE))
    person.log_in("client-1", "staff-1@client-1.example", PASSWORD)

    assert person.get("/ready").status_code == 200
    assert all(person.get(path).status_code == 200 for path in ("/", "/staff", "/claims/new"))
    assert person.file().status_code == 201


def test_without_sessions_people_are_asked_to_come_back(app_with: Callable[..., Flask], tmp_path: Path) -> None:
    with Redis(tmp_path / "sessions") as sessions:
        person = Browser(app_with(session_redis_url=sessions.url))
        person.log_in("client-1", "staff-1@client-1.example", PASSWORD)
        assert person.get("/api/staff").status_code == 200
    refused = person.get("/api/staff")

    assert refused.status_code == 503
    assert refused.headers["Retry-After"]
    assert "sessions" in said(refused)["error"]
    assert person.get("/claims").status_code == 503
