"""What the steps share: the playbooks, the estate, the load and the watch over the machines."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote_plus

import aiohttp

from demo.estate import Estate, releases_by_image, wait_for
from demo.load import Load, User
from demo.playbook import ROOT, Playbooks, StepFailed
from demo.timeline import Watch

BUILD = ROOT / "build"
CLIENTS, STAFF_EACH = 8, 3
RUSHING_CLIENT = "client-1"


@dataclass(slots=True)
class World:
    """The state of one telling of the story. ``environment`` is where users are: everything that hurts is done there."""

    playbooks: Playbooks
    estate: Estate
    environment: str = "prod"
    run: str = field(default_factory=lambda: f"d{int(time.time()):x}")
    password: str = field(default_factory=lambda: secrets.token_urlsafe(18))
    url: str = ""
    users: list[User] = field(default_factory=list)
    load: Load | None = None
    watch: Watch | None = None

    def running_load(self) -> Load:
        """The load, which the story has begun by now."""
        if self.load is None:
            raise StepFailed("Failed to load the application: no load runs yet. Begin with the step that logs users in.")
        return self.load

    def mark(self, says: str) -> None:
        """Notes on the plots that something happens now."""
        if self.watch:
            self.watch.mark(says)

    def by_release(self) -> dict[str, int]:
        """Serving machines by the release they run."""
        names = releases_by_image(BUILD / "releases")
        counts: dict[str, int] = {}
        for machine in self.estate.serving(self.environment):
            name = names.get(machine.image, machine.image)
            counts[name] = counts.get(name, 0) + 1
        return counts


async def answer(url: str, method: str, path: str, payload: dict[str, str] | None = None, cookie: str = "") -> tuple[int, Any, str]:
    """One request: its status, its JSON (or text), and the session cookie it set."""
    timeout = aiohttp.ClientTimeout(total=30)
    async with aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as session:
        headers = {"Cookie": cookie} if cookie else {}
        async with session.request(method, url + path, json=payload, headers=headers, allow_redirects=False) as got:
            is_json = got.content_type == "application/json"
            body = await got.json() if is_json else await got.text()
            set_cookie = got.cookies.get("twine_session")
            return got.status, body, f"twine_session={set_cookie.value}" if set_cookie else ""


async def log_in(world: World, client: str, email: str) -> tuple[int, str]:
    """Logs a member of staff in: status and session cookie."""
    status, _body, cookie = await answer(world.url, "POST", "/api/login", {"client": client, "email": email, "password": world.password})
    return status, cookie


async def file_claim(world: World, cookie: str, reference: str) -> int:
    """Files one claim and returns the status."""
    claim = {"reference": reference, "amount": "42.50", "currency": "GBP", "category": "travel", "description": f"Night train, receipt {reference}"}
    status, _body, _cookie = await answer(world.url, "POST", "/api/claims", claim, cookie)
    return status


async def find_claim(world: World, cookie: str, reference: str) -> tuple[bool, bool]:
    """Searches for a claim by its reference: whether it was found, and whether search was degraded."""
    status, body, _cookie = await answer(world.url, "GET", f"/api/search?q={quote_plus(reference)}", None, cookie)
    if status != 200:
        return False, True
    return any(row.get("reference") == reference for row in body["results"]), bool(body["degraded"])


def seed(world: World) -> None:
    """Puts clients and staff into the environment's database, by the application's own command on one of its machines."""
    machine = world.estate.serving(world.environment)[0]
    path = "/run/twine-seed-password"
    world.estate.put(machine.id, path, world.password)
    command = f"TWINE_SEED_PASSWORD_FILE={path} twine seed --clients {CLIENTS} --staff {STAFF_EACH}; code=$?; rm {path}; exit $code"
    code, output = world.estate.run(machine.id, "sh", "-c", command)
    if code:
        raise StepFailed(f"Failed to seed the application on {machine.id}: {output.strip()[-500:]}. Run twine check on that machine.")


def wait_until_serving(world: World, at_least: int, seconds: float) -> None:
    """Waits until so many machines are served by the balancer."""
    wait_for(f"{at_least} machines serving", seconds, lambda: len(world.estate.serving(world.environment)) >= at_least)
