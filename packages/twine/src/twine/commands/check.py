"""twine check: say of everything Twine depends on whether it answers."""

from __future__ import annotations

import argparse
from collections.abc import Callable

import psycopg
import psycopg2
import redis

from twine.database import connect
from twine.errors import TwineError
from twine.schema import current_revision, known_revisions
from twine.search_index import SearchAwayError, SearchIndex
from twine.sessions import connect_redis
from twine.settings import Settings, read_settings

SECONDS = 5.0


def add_arguments(_parser: argparse.ArgumentParser) -> None:
    """Say what the command takes: nothing."""


def run(_arguments: argparse.Namespace) -> int:
    """Print a line for each dependency; 1 when one does not answer."""
    settings = read_settings()
    checks: dict[str, Callable[[Settings], str]] = {
        "secrets": _secrets,
        "database": _database,
        "schema": _schema,
        "sessions": lambda it: _redis(it.session_redis_url),
        "fragments": lambda it: _redis(it.fragment_redis_url),
        "search": _search,
    }
    answers = [_check(name, check, settings) for name, check in checks.items()]
    return 0 if all(answers) else 1


def _check(name: str, check: Callable[[Settings], str], settings: Settings) -> bool:
    try:
        print(f"{name + ':':<11} ok, {check(settings)}")
    except (TwineError, SearchAwayError, psycopg.Error, psycopg2.Error, redis.RedisError) as error:
        print(f"{name + ':':<11} FAILED, {' '.join(str(error).split())}")
        return False
    return True


def _secrets(settings: Settings) -> str:
    settings.secrets.read("session_key")
    settings.secrets.read_login("database")
    return "session_key and database can be read"


def _database(settings: Settings) -> str:
    with connect(settings) as connection:
        return f"PostgreSQL {connection.info.server_version // 10000} at {settings.database_host}"


def _schema(settings: Settings) -> str:
    current = current_revision(settings)
    needed = known_revisions()[-1]
    if current is None or current < needed:
        raise TwineError(f"the revision is {current}, this version needs {needed}. Run twine migrate.")
    return f"revision {current}"


def _redis(url: str) -> str:
    client = connect_redis(url, SECONDS)
    client.ping()
    arguments = client.connection_pool.connection_kwargs
    return f"Redis at {arguments.get('host', arguments.get('path'))}"


def _search(settings: Settings) -> str:
    if settings.search_url is None:
        raise TwineError("TWINE_SEARCH_URL is not set. PostgreSQL answers searches.")
    there = SearchIndex(settings, seconds=SECONDS).exists()
    return f"Elasticsearch at {settings.search_url}, index {'there' if there else 'not there yet: twine-worker.service makes it'}"
