"""Settings from the environment, secrets from files: a secret is never in the environment or an argument."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from twine.errors import TwineError

MACHINE_FILES = (Path("/etc/machine/machine.env"), Path("/run/machine/machine.env"))
SECRET_FOLDERS = (Path("/run/machine/secrets"), Path("/etc/machine/secrets"))


@dataclass(frozen=True, slots=True)
class Secrets:
    """Secrets as files in the first of `folders` that has them. They are read anew each time: they rotate."""

    folders: tuple[Path, ...]

    def find(self, name: str) -> Path | None:
        """Return the file of secret `name`, or None."""
        return next((folder / name for folder in self.folders if (folder / name).is_file()), None)

    def read(self, name: str) -> str:
        """Return secret `name` without surrounding white space."""
        path = self.find(name)
        if path is None:
            folders = " or ".join(str(folder) for folder in self.folders)
            raise TwineError(f"Failed to read secret {name}: no such file in {folders}. Put the secret there.")
        try:
            return path.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise TwineError(f"Failed to read secret {name}: {error}. Let the group of this user read it.") from error

    def read_login(self, name: str) -> tuple[str, str]:
        """Return user name and password of a secret in the form `{"username": …, "password": …}`."""
        try:
            content = json.loads(self.read(name))
            return str(content["username"]), str(content["password"])
        except (ValueError, KeyError, TypeError) as error:
            raise TwineError(
                f'Failed to read secret {name}: it is not of the form {{"username": …, "password": …}}. Write it so.'
            ) from error


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything the environment decides."""

    secrets: Secrets
    environment: str
    database_host: str
    database_port: int
    database_name: str
    database_user: str | None
    database_sslmode: str
    database_pool: int
    session_redis_url: str
    session_seconds: int
    fragment_redis_url: str
    search_url: str | None
    search_user: str
    search_ca: Path | None
    bind: str
    threads: int
    waiting: int
    client_share: int
    client_allowance: int
    cache_folder: Path
    asks_folder: Path


def _unquoted(value: str) -> str:
    is_quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
    return value[1:-1] if is_quoted else value


class _Environment:
    """Typed look-ups that name the variable when its value is no use."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    def text(self, name: str, default: str | None = None) -> str | None:
        return self._values.get(name, "").strip() or default

    def need(self, name: str) -> str:
        value = self.text(name)
        if value is None:
            raise TwineError(f"Failed to read the settings: {name} is not set. Set it in /etc/machine/machine.env.")
        return value

    def number(self, name: str, default: int) -> int:
        value = self.text(name, str(default)) or ""
        if not value.isdecimal() or int(value) < 1:
            raise TwineError(f"Failed to read {name}: {value!r} is no number from 1. Correct it in machine.env.")
        return int(value)


def machine_values(files: Sequence[Path] = MACHINE_FILES) -> dict[str, str]:
    """Return the values of this machine's files, as systemd gives them to the units; a later file wins.

    A person who types a command has no unit's environment.
    """
    values: dict[str, str] = {}
    for path in files:
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except OSError:
            continue
        for line in lines:
            name, found, value = line.strip().partition("=")
            if found and not name.startswith(("#", ";")):
                values[name.strip()] = _unquoted(value.strip())
    return values


def read_settings(values: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from `values` (default: this machine's files, then this process's environment)."""
    environment = _Environment({**machine_values(), **os.environ} if values is None else values)
    folder = environment.text("TWINE_SECRETS")
    secrets = Secrets((Path(folder),) if folder else SECRET_FOLDERS)
    threads = environment.number("TWINE_THREADS", 8)
    client_share = environment.number("TWINE_CLIENT_SHARE", max(1, threads * 3 // 4))
    search_ca = environment.text("TWINE_SEARCH_CA")
    return Settings(
        secrets=secrets,
        environment=environment.text("TWINE_ENVIRONMENT", "development") or "",
        database_host=environment.need("TWINE_DATABASE_HOST"),
        database_port=environment.number("TWINE_DATABASE_PORT", 5432),
        database_name=environment.text("TWINE_DATABASE_NAME", "twine") or "",
        database_user=environment.text("TWINE_DATABASE_USER"),
        database_sslmode=environment.text("TWINE_DATABASE_SSLMODE", "prefer") or "",
        database_pool=environment.number("TWINE_DATABASE_POOL", 4),
        session_redis_url=environment.need("TWINE_SESSION_REDIS_URL"),
        session_seconds=environment.number("TWINE_SESSION_SECONDS", 12 * 3600),
        fragment_redis_url=environment.text("TWINE_FRAGMENT_REDIS_URL", "redis://127.0.0.1:6379/0") or "",
        search_url=environment.text("TWINE_SEARCH_URL"),
        search_user=environment.text("TWINE_SEARCH_USER", "elastic") or "",
        search_ca=Path(search_ca) if search_ca else None,
        bind=environment.text("TWINE_BIND", "unix:/run/twine/twine.sock") or "",
        threads=threads,
        waiting=environment.number("TWINE_WAITING", 40),
        client_share=client_share,
        client_allowance=environment.number("TWINE_CLIENT_ALLOWANCE", 2 * client_share),
        cache_folder=Path(environment.text("TWINE_CACHE", "/var/cache/twine") or ""),
        asks_folder=Path(environment.text("TWINE_ASKS", "/run/machine/asks") or ""),
    )
