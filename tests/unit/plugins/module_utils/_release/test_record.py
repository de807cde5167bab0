"""From the record of a snapshot to what a release says of it."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.twine.platform.plugins.module_utils._release.record import contents
from ansible_collections.twine.platform.plugins.module_utils._release.release import ReleaseError

TWINE = {"version": "1", "architecture": "all", "sha256": "0" * 64}


def entry(name: str, architecture: str, digit: str) -> dict[str, Any]:
    return {"name": name, "version": "1", "architecture": architecture, "sha256": digit * 64, "depends": "libc6", "provides": "", "required": False}


def test_without_a_distribution_there_is_none() -> None:
    record = {"snapshot": "s", "packages": {"twine": TWINE}}

    assert contents(record) == {"snapshot": "s", "packages": {"twine": TWINE}, "distribution": {}}


def test_what_is_not_ours_is_the_distributions() -> None:
    index = [entry("twine", "all", "0"), entry("tzdata", "all", "1"), entry("zlib1g", "amd64", "2"), entry("zlib1g", "arm64", "3")]
    found = contents({"snapshot": "s", "packages": {"twine": TWINE}, "index": index})["distribution"]

    assert found == {
        "tzdata": {"version": "1", "architecture": "all", "sha256": "1" * 64},
        "zlib1g:amd64": {"version": "1", "architecture": "amd64", "sha256": "2" * 64},
        "zlib1g:arm64": {"version": "1", "architecture": "arm64", "sha256": "3" * 64},
    }


@pytest.mark.parametrize("record", [{"packages": {}}, {"snapshot": "s"}, {"snapshot": "s", "packages": {}, "index": [{"name": "a"}]}])
def test_a_record_that_lacks_something_is_refused(record: dict[str, Any]) -> None:
    with pytest.raises(ReleaseError, match=r"it lacks .*Publish again"):
        contents(record)
