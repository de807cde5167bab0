"""Which caches are turned down."""

from __future__ import annotations

from typing import Any

import pytest

from local_cloud.plugin import caches
from local_cloud.plugin.requests import Refused


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"Engine": "memcached"}, "memcached"),
        ({"TransitEncryptionEnabled": "true"}, "TransitEncryptionEnabled"),
        ({"AuthToken": "x" * 16}, "AuthToken"),
        ({"NumNodeGroups": "3"}, "Cluster mode"),
    ],
)
def test_refuses_caches(given: dict[str, Any], why: str) -> None:
    with pytest.raises(Refused, match=why):
        caches._refuse(given)


def test_accepts_the_ordinary() -> None:
    caches._refuse({"Engine": "redis", "EngineVersion": "7.1", "TransitEncryptionEnabled": "false", "AtRestEncryptionEnabled": "true"})
