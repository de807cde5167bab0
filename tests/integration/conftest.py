"""What several of these tests begin with."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tools import checkout

HERE = Path(__file__).parent
# Both publish on the one repository machine.
TOGETHER = {"jenkins": "repository"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Folders run side by side (`make integration`), but for those that share a machine; the tests of one do not."""
    for item in items:
        if item.path.is_relative_to(HERE):
            folder = item.path.relative_to(HERE).parts[0]
            item.add_marker(pytest.mark.xdist_group(TOGETHER.get(folder, folder)))


@pytest.fixture(scope="session")
def repository() -> Path:
    """The folder of what this checkout built and published; on its repository machine, which runs."""
    command = ["docker", "container", "inspect", "--format={{.State.Running}}", f"{checkout.prefix()}-repository"]
    machine = subprocess.run(command, capture_output=True, text=True, check=False)
    if machine.stdout.strip() != "true" or not (checkout.BUILD / "releases" / "snapshot.json").is_file():
        subprocess.run(["make", "published"], cwd=checkout.ROOT, check=True)
    return checkout.BUILD
