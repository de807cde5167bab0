"""The application's password is changed by the operator's own playbook while users work; nobody notices. On the estate that the story leaves."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from demo.estate import wait_for
from demo.load import Load, Sample, Stream
from demo.world import World
from tests.scenarios.story.conftest import ENVIRONMENT

USER = "twine_application"
VERIFIER = f"SELECT rolpassword FROM pg_authid WHERE rolname = '{USER}'"
CONNECTED = f"SELECT DISTINCT client_addr FROM pg_stat_activity WHERE usename = '{USER}' AND backend_start > '{{since}}'"
RATE = 12.0


@dataclass(frozen=True)
class Rotation:
    """What was seen of it: samples are the requests from its beginning until each machine worked with the new password."""

    said: str
    samples: list[Sample]
    verifiers: tuple[str, str]
    secrets: set[str]
    users: list[str]


@pytest.fixture(scope="module")
def rotation(world: World) -> Rotation:
    """Rotate, let one machine fetch its secrets before its turn comes, and end every connection, so that each has to be made anew."""
    machines = world.estate.serving(ENVIRONMENT)
    with Load(world.url, world.run) as load:
        load.put(Stream("work", world.users, RATE, {"file": 0.4, "list": 0.3, "page": 0.3}))
        wait_for("work under way", 20, lambda: len(load.samples) > RATE)
        [[before]] = world.estate.sql(ENVIRONMENT, VERIFIER)
        said = world.playbooks.run("rotate_secret", environment_name=ENVIRONMENT)
        world.estate.run(machines[0].id, "systemctl", "start", "machine-refresh.service")
        wait_for("the new password set", 60, lambda: world.estate.sql(ENVIRONMENT, VERIFIER) != [[before]])
        [[after]] = world.estate.sql(ENVIRONMENT, VERIFIER)
        [[since]] = world.estate.sql(ENVIRONMENT, "SELECT now()")
        world.estate.sql(ENVIRONMENT, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{USER}'")
        addresses = {machine.address for machine in machines}
        wait_for("every machine connected again", 60, lambda: addresses <= connected(world, since))
        begun = time.time()
        wait_for("work that goes on", 20, lambda: len(load.between(begun, time.time())) > RATE * 2)
    secrets = {world.estate.run(machine.id, "sha256sum", "/run/machine/secrets/database")[1] for machine in machines}
    users = [row[0] for row in world.estate.sql(ENVIRONMENT, "SELECT DISTINCT usename FROM pg_stat_activity WHERE application_name = 'twine'")]
    return Rotation(said, load.samples, (before, after), secrets, users)


def connected(world: World, since: str) -> set[str]:
    return {row[0] for row in world.estate.sql(ENVIRONMENT, CONNECTED.format(since=since))}


def test_no_request_fails(rotation: Rotation) -> None:
    failed = [sample for sample in rotation.samples if not sample.ok and not sample.deferred]
    assert len(rotation.samples) > RATE * 4 and failed == []


def test_the_database_knows_the_new_password_only_and_each_machine_has_it(rotation: Rotation) -> None:
    assert rotation.verifiers[0] != rotation.verifiers[1] and all(one.startswith("SCRAM-SHA-256$") for one in rotation.verifiers)
    assert len(rotation.secrets) == 1


def test_the_application_works_as_its_own_user(rotation: Rotation) -> None:
    assert rotation.users == [USER]


def test_who_rotates_sees_whose_password_it_was_and_no_password(rotation: Rotation) -> None:
    assert f"{USER} of {ENVIRONMENT} gets another password" in " ".join(rotation.said.split())
    assert 'password":' not in rotation.said


def test_the_application_cannot_read_the_secret_of_who_migrates(world: World) -> None:
    machine = world.estate.serving(ENVIRONMENT)[0].id
    path = Path("/run/machine/secrets/database_admin")
    assert world.estate.run(machine, "stat", "--format", "%a %U %G", str(path))[1].split() == ["640", "root", "twine-admin"]
    assert world.estate.run(machine, "runuser", "--user", "twine", "--", "cat", str(path))[0] != 0
