"""How to reach the database, and as whom."""

from __future__ import annotations

from typing import Any

from twine.settings import Settings

# Who fills tables, and who changes them.
APPLICATION = "database"
ADMIN = "database_admin"


def connection_arguments(settings: Settings, secret: str = APPLICATION) -> dict[str, Any]:
    """Return libpq's arguments, with user and password as the secret's file holds them now."""
    arguments: dict[str, Any] = {
        "host": settings.database_host,
        "port": settings.database_port,
        "dbname": settings.database_name,
        "sslmode": settings.database_sslmode,
        "connect_timeout": 3,
        "application_name": "twine",
    }
    if settings.secrets.find(secret) is not None:
        arguments["user"], arguments["password"] = settings.secrets.read_login(secret)
    if settings.database_user is not None and secret == APPLICATION:
        arguments["user"] = settings.database_user
    return arguments


def admin_secret(settings: Settings) -> str:
    """Return the name of the secret of who migrates: the application's own where there is no other."""
    return ADMIN if settings.secrets.find(ADMIN) is not None else APPLICATION
