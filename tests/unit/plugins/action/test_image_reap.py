"""Which images releases name, before anything counts as unused."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from ansible_collections.twine.platform.plugins.action.image_reap import named_in
from ansible_collections.twine.platform.plugins.module_utils._aws.errors import Failure
from ansible_collections.twine.platform.plugins.module_utils._release.release import ReleaseError
from tests.unit.plugins.module_utils._release.conftest import GOOD


def test_what_a_release_shares_is_named_by_it(tmp_path: Path) -> None:
    (tmp_path / "one.yml").write_text(yaml.safe_dump(GOOD | {"shares": {"prod": GOOD["images"]}}))
    assert named_in(tmp_path) == {*GOOD["images"].values()}


def test_every_release_counts_with_its_copies(tmp_path: Path) -> None:
    (tmp_path / "one.yml").write_text(yaml.safe_dump(GOOD))
    (tmp_path / "two.yml").write_text(yaml.safe_dump(GOOD | {"copies": {"prod": {"twine": "ami-11111111111111111"}}}))
    assert named_in(tmp_path) == {*GOOD["images"].values(), "ami-11111111111111111"}


def test_without_a_release_nothing_is_looked_for(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="every image would count as unused"):
        named_in(tmp_path)


def test_a_broken_release_stops_it(tmp_path: Path) -> None:
    (tmp_path / "one.yml").write_text(yaml.safe_dump(GOOD))
    (tmp_path / "two.yml").write_text("name: [")
    with pytest.raises(ReleaseError, match=r"two\.yml"):
        named_in(tmp_path)
