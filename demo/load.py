"""A load client that behaves as users' browsers do: it opens new connections, never retries and believes nothing but the answer.

The client is *open-loop*: requests start at the asked rate whether or not earlier ones were answered, so that a slow
service cannot slow the clock it is measured by (the "coordinated omission" trap).
"""

from __future__ import annotations

import asyncio
import itertools
import json
import math
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import quote_plus

import aiohttp

SLOWEST_ACCEPTED_SECONDS = 5.0
MIX = {"file": 0.30, "search": 0.30, "list": 0.20, "page": 0.20}
"""What the staff of a client do, as shares of all requests."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One request as its user saw it.

    ``at`` is the start on the clock of :func:`time.time`, ``seconds`` the time to the last byte. ``ok`` is true only for
    the expected status *and* the expected body within :data:`SLOWEST_ACCEPTED_SECONDS`; otherwise ``why`` says what was wrong.
    ``deferred`` marks the one polite refusal there is: 429 with ``Retry-After`` for a client above its share.
    """

    at: float
    seconds: float
    client: str
    kind: str
    status: int
    ok: bool
    deferred: bool
    version: str
    why: str


@dataclass(frozen=True, slots=True)
class User:
    """A member of a client's staff who has logged in; ``known`` is a claim's reference that a search must find."""

    client: str
    email: str
    cookie: str
    known: str


@dataclass(slots=True)
class Stream:
    """A steady stream of requests by ``users`` at ``rate`` per second; the rate may be changed at any time."""

    name: str
    users: list[User]
    rate: float
    mix: dict[str, float] = field(default_factory=lambda: dict(MIX))


@dataclass(frozen=True, slots=True)
class Asked:
    """One request to send, and how to tell whether its answer is right (empty string: it is)."""

    kind: str
    method: str
    path: str
    payload: dict[str, str] | None
    wrong: Callable[[int, str], str]
    reference: str = ""


def wrong_claim(reference: str) -> Callable[[int, str], str]:
    """A filed claim answers 201 and echoes its reference."""

    def wrong(status: int, body: str) -> str:
        if status != 201:
            return f"status {status} instead of 201"
        return "" if json.loads(body).get("reference") == reference else "another claim was answered"

    return wrong


def wrong_search(reference: str) -> Callable[[int, str], str]:
    """A search answers 200, from the search engine, and finds the claim that was filed before."""

    def wrong(status: int, body: str) -> str:
        if status != 200:
            return f"status {status} instead of 200"
        answer = json.loads(body)
        if answer.get("degraded"):
            return "search is degraded"
        found = {str(row.get("reference")) for row in answer.get("results", [])}
        return "" if reference in found else "the claim was not found"

    return wrong


def wrong_list(status: int, body: str) -> str:
    """A list answers 200 with a non-empty list of claims."""
    if status != 200:
        return f"status {status} instead of 200"
    return "" if json.loads(body).get("claims") else "no claims in the list"


def wrong_page(status: int, body: str) -> str:
    """A page answers 200, whole, to a user who is logged in."""
    if status != 200:
        return f"status {status} instead of 200"
    if "</html>" not in body:
        return "the page is cut off"
    return "" if "Log out" in body else "the page is not a logged-in user's"


def ask(kind: str, user: User, reference: str) -> Asked:
    """The request of one ``kind`` by ``user``; ``reference`` names the claim if one is filed."""
    if kind == "file":
        payload = {
            "reference": reference,
            "amount": f"{random.randint(100, 99999) / 100:.2f}",
            "currency": "GBP",
            "category": "travel",
            "description": f"Train to a client, receipt {reference}",
        }
        return Asked(kind, "POST", "/api/claims", payload, wrong_claim(reference), reference)
    if kind == "search":
        return Asked(kind, "GET", f"/api/search?q={quote_plus(user.known)}", None, wrong_search(user.known))
    if kind == "list":
        return Asked(kind, "GET", "/api/claims?limit=10", None, wrong_list)
    return Asked(kind, "GET", "/claims", None, wrong_page)


class Load:
    """Runs streams against ``url`` in a thread of its own and keeps every :class:`Sample`.

    ``acknowledged`` holds the reference of every claim whose filing was answered with success: what a database must hold
    exactly once afterwards.
    """

    def __init__(self, url: str, run: str) -> None:
        self.url = url.rstrip("/")
        self.run = run
        self.samples: list[Sample] = []
        self.acknowledged: set[str] = set()
        self._numbers = itertools.count(1)
        self._streams: dict[str, Stream] = {}
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="load", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stopped.set()
        self._thread.join(timeout=2 * SLOWEST_ACCEPTED_SECONDS)

    def put(self, stream: Stream) -> None:
        """Starts ``stream``, or replaces the one of the same name."""
        self._streams[stream.name] = stream

    def drop(self, name: str) -> None:
        """Ends the stream ``name``; requests under way are still answered and counted."""
        self._streams.pop(name, None)

    def between(self, start: float, end: float) -> list[Sample]:
        """The samples whose requests started in [start, end]."""
        return [sample for sample in list(self.samples) if start <= sample.at <= end]

    async def _run(self) -> None:
        connector = aiohttp.TCPConnector(force_close=True, limit=0)
        timeout = aiohttp.ClientTimeout(total=SLOWEST_ACCEPTED_SECONDS)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as session:
            under_way: set[asyncio.Task[None]] = set()
            next_at: dict[str, float] = {}
            while not self._stopped.is_set():
                for asked, user in self._due(next_at):
                    task = asyncio.create_task(self._send(session, asked, user))
                    under_way.add(task)
                    task.add_done_callback(under_way.discard)
                await asyncio.sleep(0.005)
            await asyncio.gather(*under_way, return_exceptions=True)

    def _due(self, next_at: dict[str, float]) -> Iterator[tuple[Asked, User]]:
        """The requests whose time has come, as a Poisson process: users do not take turns."""
        now = time.monotonic()
        for stream in list(self._streams.values()):
            at = next_at.setdefault(stream.name, now)
            while at <= now and stream.rate > 0:
                user = random.choice(stream.users)
                kind = random.choices(list(stream.mix), list(stream.mix.values()))[0]
                yield ask(kind, user, f"{self.run}-{next(self._numbers)}"), user
                at += random.expovariate(stream.rate)
            next_at[stream.name] = at

    async def _send(self, session: aiohttp.ClientSession, asked: Asked, user: User) -> None:
        at, begun = time.time(), time.monotonic()
        status, version, why, deferred = 0, "", "", False
        headers = {"Cookie": user.cookie}
        try:
            async with session.request(asked.method, self.url + asked.path, json=asked.payload, headers=headers, allow_redirects=False) as answer:
                body = await answer.text()
                status, version = answer.status, answer.headers.get("X-Twine-Version", "")
                deferred = status == 429 and "Retry-After" in answer.headers
                why = asked.wrong(status, body)
        except TimeoutError:
            why = f"no answer within {SLOWEST_ACCEPTED_SECONDS:.0f} s"
        except (aiohttp.ClientError, OSError, ValueError) as error:
            why = f"{type(error).__name__}: {error}"
        seconds = time.monotonic() - begun
        if asked.reference and not why:
            self.acknowledged.add(asked.reference)
        self.samples.append(Sample(at, seconds, user.client, asked.kind, status, not why, deferred, version, why))


def quantile(values: Iterable[float], share: float) -> float:
    """The nearest-rank quantile of ``values`` (0 if there are none): the value that ``share`` of them do not exceed."""
    ordered = sorted(values)
    if not ordered:
        return 0.0
    rank = math.ceil(share * len(ordered) - 1e-9)  # 0.99 × 100 is a little more than 99 in binary
    return ordered[max(0, rank - 1)]


def summary(samples: list[Sample]) -> dict[str, float | int | dict[str, int]]:
    """Counts and latencies of ``samples``: requests, failed, deferred, p50/p90/p99 in milliseconds, by kind and by reason."""
    reasons: dict[str, int] = {}
    kinds: dict[str, int] = {}
    for sample in samples:
        kinds[sample.kind] = kinds.get(sample.kind, 0) + 1
        if not sample.ok and not sample.deferred:
            reasons[sample.why] = reasons.get(sample.why, 0) + 1
    times = [sample.seconds * 1000 for sample in samples if sample.ok]
    return {
        "requests": len(samples),
        "failed": sum(reasons.values()),
        "deferred": sum(sample.deferred for sample in samples),
        "p50_ms": round(quantile(times, 0.50), 1),
        "p90_ms": round(quantile(times, 0.90), 1),
        "p99_ms": round(quantile(times, 0.99), 1),
        "kinds": kinds,
        "reasons": reasons,
    }
