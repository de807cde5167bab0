"""Clients and their staff: who may sign in, and who works where."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHash, VerificationError

from twine.database import Database

MANAGER = "manager"

# OWASP's smallest recommendation for Argon2id: 19 MiB, two passes. More would starve a small machine.
_hasher = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)
_hashing_at_once = threading.BoundedSemaphore(2)
# Verified when there is no such account, so that the time taken does not tell. The password was thrown away.
_NOBODY = (
    "$argon2id$v=19$m=19456,t=2,p=1$+qSpSL1IBgE5OiffaIM+Bw$hkeh0brTrbUsmryrhoG3pA"
)


@dataclass(frozen=True, slots=True)
class Person:
    """A member of a client's staff who has signed in."""

    client_id: int
    client: str
    client_name: str
    id: int
    name: str
    email: str
    role: str

    @property
    def is_manager(self) -> bool:
        """Say whether this person decides about claims."""
        return self.role == MANAGER

    @property
    def share(self) -> str:
        """Return the key under which this person's client shares the machine."""
        return self.client

    def as_json(self) -> dict[str, object]:
        """Return what the API says about the person who signed in."""
        return {
            "id": self.id,
            "name": self.name,
            "email": self.email,
            "role": self.role,
            "client": self.client,
            "client_name": self.client_name,
        }


@dataclass(frozen=True, slots=True)
class Colleague:
    """A line of a client's directory."""

    id: int
    name: str
    email: str
    title: str
    role: str

    def as_json(self) -> dict[str, object]:
        """Return what the API says about a colleague."""
        return {"id": self.id, "name": self.name, "email": self.email, "title": self.title, "role": self.role}


@dataclass(frozen=True, slots=True)
class _Account:
    client_id: int
    client: str
    client_name: str
    id: int
    name: str
    email: str
    role: str
    password_hash: str


def hash_password(password: str) -> str:
    """Return the hash under which a password is stored."""
    return str(_hasher.hash(password))


def verify_password(password_hash: str, password: str) -> bool:
    """Say whether `password` is the one; at most two are verified at once, for memory's sake."""
    with _hashing_at_once:
        try:
            return bool(_hasher.verify(password_hash, password))
        except (VerificationError, InvalidHash):
            return False


def authenticate(database: Database, client: str, email: str, password: str) -> Person | None:
    """Return the person with this address and password at client `client`, or None."""
    account = database.fetch_one(
        client,
        _Account,
        """
        SELECT c.id AS client_id, c.slug AS client, c.name AS client_name,
               s.id, s.name, s.email, s.role, s.password_hash
        FROM clients c JOIN staff s ON s.client_id = c.id
        WHERE c.slug = %s AND s.email = lower(%s)
        """,
        client,
        email,
    )
    known = verify_password(account.password_hash if account else _NOBODY, password)
    if account is None or not known:
        return None
    return Person(
        account.client_id, account.client, account.client_name, account.id, account.name, account.email, account.role
    )


def list_staff(database: Database, person: Person) -> list[Colleague]:
    """Return the directory of the person's own client."""
    return database.fetch_all(
        person.share,
        Colleague,
        "SELECT id, name, email, title, role FROM staff WHERE client_id = %s ORDER BY name, id LIMIT 1000",
        person.client_id,
    )
