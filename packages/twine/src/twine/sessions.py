"""Sessions in the Redis that all machines share: a request may meet any machine."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets as random
from dataclasses import asdict, dataclass

import redis

from twine.errors import UnavailableError
from twine.settings import Settings
from twine.staff import Person

TOKEN_BYTES = 24


@dataclass(frozen=True, slots=True)
class Session:
    """Who is signed in, and the token that the forms of this session carry."""

    person: Person
    form_token: str


def connect_redis(url: str, seconds: float) -> redis.Redis:
    """Return a client that gives up after `seconds`; nothing is opened yet."""
    return redis.Redis.from_url(
        url, socket_connect_timeout=seconds, socket_timeout=seconds, health_check_interval=30, retry_on_timeout=False
    )


class SessionStore:
    """Sessions by a random token. Redis holds only a keyed hash of it: who reads Redis cannot become anybody.

    The secret `session_key` has a key a line. The first makes new sessions, all of them are accepted, so that a key
    can be changed without signing anybody out: add the new one below, everywhere, then put it first.
    """

    def __init__(self, settings: Settings) -> None:
        self._secrets = settings.secrets
        self._seconds = settings.session_seconds
        self.redis = connect_redis(settings.session_redis_url, 1.0)

    def keys(self) -> list[bytes]:
        """Return the keys, the current one first."""
        return [line.encode() for line in self._secrets.read("session_key").splitlines()]

    def start(self, person: Person) -> str:
        """Start a session and return its token."""
        token = random.token_urlsafe(TOKEN_BYTES)
        content = {"person": asdict(person), "form_token": random.token_urlsafe(TOKEN_BYTES)}
        name = _name(self.keys()[0], token)
        try:
            self.redis.set(name, json.dumps(content), ex=self._seconds)
        except redis.RedisError as error:
            raise UnavailableError("sessions") from error
        return token

    def find(self, token: str) -> Session | None:
        """Return the session of `token` and prolong it."""
        for key in self.keys():
            try:
                content = self.redis.getex(_name(key, token), ex=self._seconds)
            except redis.RedisError as error:
                raise UnavailableError("sessions") from error
            if content is not None:
                found = json.loads(content)
                return Session(Person(**found["person"]), found["form_token"])
        return None

    def end(self, token: str) -> None:
        """End the session of `token`."""
        try:
            self.redis.delete(*(_name(key, token) for key in self.keys()))
        except redis.RedisError as error:
            raise UnavailableError("sessions") from error

    def answers(self) -> bool:
        """Say whether the shared Redis answers."""
        try:
            return bool(self.redis.ping())
        except redis.RedisError:
            return False

    def sign(self, text: str) -> str:
        """Return the signature of a form that is shown before anybody has signed in."""
        return _sign(self.keys()[0], text)

    def is_signed(self, text: str, signature: str) -> bool:
        """Say whether one of our keys made `signature`."""
        return any(hmac.compare_digest(_sign(key, text), signature) for key in self.keys())


def _name(key: bytes, token: str) -> str:
    return "session:" + hmac.new(key, token.encode(), hashlib.sha256).hexdigest()


def _sign(key: bytes, text: str) -> str:
    return hmac.new(key, b"form:" + text.encode(), hashlib.sha256).hexdigest()
