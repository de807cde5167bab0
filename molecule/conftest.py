"""Connects a scenario's tests to its machine: the container `twine-<checkout>-molecule-<scenario>`."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import testinfra
from testinfra.host import Host

CHECKOUT = Path(__file__).resolve().parent.parent


def container(machine: str) -> str:
    """Return the name of the container of a machine of molecule/inventory."""
    checkout = hashlib.sha256(str(CHECKOUT).encode()).hexdigest()[:6]
    return f"twine-{checkout}-{machine}"


@pytest.fixture(scope="module")
def host(request: pytest.FixtureRequest) -> Host:
    """Return the machine of the scenario in whose folder the test lies.

    It is found by its name, not by the Ansible inventory: testinfra takes variables as they stand, untemplated.
    """
    scenario = request.path.relative_to(CHECKOUT / "molecule").parts[0]
    return testinfra.get_host(f"docker://{container(f'molecule-{scenario}')}")
