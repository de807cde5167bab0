"""The story is told once; what it leaves running is there for other tests."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from demo.__main__ import endpoint
from demo.estate import CREDENTIALS, Estate
from demo.load import User
from demo.playbook import Playbooks
from demo.world import World, file_claim, log_in, seed
from tools import checkout

ENVIRONMENT = "prod"
STEPS = ["packages", "repository", "images", "stacks", "serving", "only_way_in", "kill"]


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What ``python -m demo --until kill`` wrote, beside the report of a whole story; its own exit code is checked by the first test."""
    folder = tmp_path_factory.mktemp("story")
    words = [sys.executable, "-m", "demo", "--until", STEPS[-1], "--report", str(folder)]
    done = subprocess.run(words, cwd=checkout.ROOT, capture_output=True, text=True, check=False)
    told: dict[str, Any] = json.loads((folder / "report.json").read_text())
    return told | {"code": done.returncode, "output": done.stdout + done.stderr}


@pytest.fixture(scope="session")
def world(report: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The estate, and people of two clients who have logged in."""
    assert report["code"] == 0, "there is no estate: the story was not told"
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ENDPOINT_URL", endpoint())
        environment.setenv("AWS_SHARED_CREDENTIALS_FILE", str(CREDENTIALS))
        world = World(Playbooks(tmp_path_factory.mktemp("logs"), {}), Estate(endpoint()), ENVIRONMENT)
        world.url = world.estate.url(ENVIRONMENT)
        seed(world)
        world.users = asyncio.run(people(world))
        yield world


async def people(world: World) -> list[User]:
    users = []
    for client in ("client-1", "client-2"):
        email = f"staff-2@{client}.example"
        status, cookie = await log_in(world, client, email)
        assert (status, await file_claim(world, cookie, f"{world.run}-{client}")) == (200, 201)
        users.append(User(client, email, cookie, ""))
    return users
