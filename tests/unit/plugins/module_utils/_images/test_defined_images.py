"""The images that playbooks/bake_image.yml defines are the machines that playbooks/configure_machine.yml configures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[5]


def _variables(playbook: str) -> dict[str, Any]:
    plays = yaml.safe_load((ROOT / "playbooks" / f"{playbook}.yml").read_text())
    found: dict[str, Any] = plays[0]["vars"]
    return found


IMAGES = _variables("bake_image")["bake_machines"]
MACHINES = _variables("configure_machine")["machine_roles_by_group"]


@pytest.mark.parametrize("image", IMAGES)
def test_the_key_covers_every_role_that_configures_the_image(image: str) -> None:
    assert IMAGES[image]["roles"] == ["common", *MACHINES[image], "image"]


@pytest.mark.parametrize("image", IMAGES)
def test_the_key_covers_packages_that_are_built_here(image: str) -> None:
    for package in IMAGES[image]["packages"]:
        assert (ROOT / "packages" / package / "package.yml").is_file()


@pytest.mark.parametrize("image", IMAGES)
def test_packer_has_a_file_of_about_ten_lines_for_it(image: str) -> None:
    lines = (ROOT / "packer" / "images" / f"{image}.pkrvars.hcl").read_text().splitlines()
    assert f'"{image}"' in "".join(lines) and len(lines) <= 12
