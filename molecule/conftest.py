"""Connects a scenario's tests to its machine: the container `twine-<checkout>-molecule-<scenario>`."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import testinfra
from testinfra.host import Host

CHECKOUT = Path(__file__).resolve().parent.parent


def container(machine: str) -> str:
    """Return the name of the container of a machine of molecule/inventory."""
    checkout = hashlib.sha256(str(CHECKOUT).encode()).hexdigest()[:6]
    return f"twine-{checkout}-{machine}"


def scenario_of(request: pytest.FixtureRequest) -> str:
    """Return the scenario in whose folder the test lies."""
    return str(request.path.relative_to(CHECKOUT / "molecule").parts[0])


@pytest.fixture(scope="module")
def host(request: pytest.FixtureRequest) -> Host:
    """Return the machine of the scenario in whose folder the test lies.

    It is found by its name, not by the Ansible inventory: testinfra takes variables as they stand, untemplated.
    """
    return testinfra.get_host(f"docker://{container(f'molecule-{scenario_of(request)}')}")


@pytest.fixture(scope="module")
def health_check(request: pytest.FixtureRequest) -> Callable[[], str]:
    """Return what asks the role's `health_check`: why it fails, in one line; empty when the machine is well."""
    program, machine = Path(sys.executable).with_name("ansible-playbook"), f"molecule-{scenario_of(request)}"
    command = [program, "-i", "molecule/inventory", "--limit", machine, "molecule/health_check.yml"]

    def ask() -> str:
        done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
        return " ".join((done.stdout + done.stderr).split()) if done.returncode else ""

    return ask
