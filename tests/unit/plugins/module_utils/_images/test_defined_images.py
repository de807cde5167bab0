"""The images that playbooks/bake_image.yml defines are the machines that playbooks/configure_machine.yml configures."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.twine.platform.plugins.module_utils._images.inputs import PLAYBOOKS, PLUGINS

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


@pytest.mark.parametrize("image", IMAGES)
def test_the_key_covers_our_plugins_that_write_in_the_image(image: str) -> None:
    tasks = [path for role in IMAGES[image]["roles"] for path in (ROOT / "roles" / role / "tasks").glob("*.yml")]
    text = "\n".join(path.read_text() for path in [*tasks, *(ROOT / "playbooks" / f"{name}.yml" for name in PLAYBOOKS)])
    used = set(re.findall(r"^ *twine\.platform\.([a-z_]+):", text, re.MULTILINE))
    # It refuses, and writes nothing.
    assert used - {"role_variables"} == {Path(name).stem for name in PLUGINS if name.startswith("action/")}
    assert all((ROOT / "plugins" / name).is_file() for name in PLUGINS)
