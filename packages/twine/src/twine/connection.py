"""How to reach the database."""

from __future__ import annotations

from typing import Any

from twine.settings import Settings


def connection_arguments(settings: Settings) -> dict[str, Any]:
    """Return libpq's arguments, with user and password as the secret's file holds them now."""
    arguments: dict[str, Any] = {
        "host": settings.database_host,
        "port": settings.database_port,
        "dbname": settings.database_name,
        "sslmode": settings.database_sslmode,
        "connect_timeout": 3,
        "application_name": "twine",
    }
    if settings.secrets.find("database") is not None:
        arguments["user"], arguments["password"] = settings.secrets.read_login("database")
    if settings.database_user is not None:
        arguments["user"] = settings.database_user
    return arguments
