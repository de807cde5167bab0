"""A cloud for each test."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

import pytest
from services_on_loopback import CREDENTIALS, DOCUMENT, Cloud, Server


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    """A cloud that answers as it should; a test takes away or adds."""
    cloud = Cloud(
        {
            "dynamic/instance-identity/document": json.dumps(DOCUMENT).encode(),
            "meta-data/iam/security-credentials/": b"machine-role",
            "meta-data/iam/security-credentials/machine-role": json.dumps(CREDENTIALS).encode(),
        }
    )
    server = Server(cloud)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield cloud
    server.shutdown()
    server.server_close()
