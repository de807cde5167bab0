"""The emulator's libraries stand beside .venv; its stores are emptied before each test, and no kernel is touched."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

LIBRARIES = Path(__file__).resolve().parents[3] / "build" / "local_cloud" / "site-packages"
if not LIBRARIES.is_dir():
    raise pytest.UsageError(f"Failed to find the emulator in {LIBRARIES}: it is not set up. Run: make setup")
sys.path.append(str(LIBRARIES))


@pytest.fixture(autouse=True)
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test runs in account dev of an empty cloud."""
    from ministack.services import cloudformation, ec2, iam

    from local_cloud.plugin import emulator, engine, fabric, instances
    from tests.unit.local_cloud.estate import DEV

    ec2._clear_state()
    for store in (iam._roles, iam._instance_profiles, iam._users, iam._access_keys, cloudformation._stacks):
        store._data.clear()
    for book in (fabric._members, fabric._reserved, fabric._cursor, instances._callbacks, instances._impaired):
        book.clear()
    emulator.inject({"kind": "clear"})
    monkeypatch.setenv("TWINE_IMAGE_DEBIAN", "p/cloud-debian:1")
    monkeypatch.setattr(engine, "image", lambda name: None)
    with emulator.scope(DEV):
        yield


@pytest.fixture
def estate(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The two networks; what would be sent to the kernel is kept in `loaded`."""
    from local_cloud.plugin import fabric
    from tests.unit.local_cloud.estate import Estate

    made = Estate()
    monkeypatch.setattr(fabric, "_load", lambda pid, text: made.loaded.append((pid, text)))
    monkeypatch.setitem(fabric._applied, "router", "")
    return made
