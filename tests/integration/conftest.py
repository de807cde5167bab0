"""What several of these tests begin with, and which of them run side by side."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from tools import checkout

# Both publish on the one repository machine.
TOGETHER = {"jenkins": "repository"}


class FolderByFolder(LoadScopeScheduling):
    """Folders run side by side, the tests of one do not."""

    def _split_scope(self, nodeid: str) -> str:
        folder = Path(nodeid.partition("::")[0]).parent.name
        return TOGETHER.get(folder, folder)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> FolderByFolder:
    return FolderByFolder(config, log)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The folder of what this checkout built and published; on its repository machine, which runs."""
    command = ["docker", "container", "inspect", "--format={{.State.Running}}", f"{checkout.prefix()}-repository"]
    machine = subprocess.run(command, capture_output=True, text=True, check=False)
    if machine.stdout.strip() != "true" or not (checkout.BUILD / "releases" / "snapshot.json").is_file():
        subprocess.run(["make", "published"], cwd=checkout.ROOT, check=True)
    return checkout.BUILD
