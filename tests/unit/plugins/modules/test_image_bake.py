"""Which packages of a snapshot are inputs of an image: all that its roles install, with what that brings, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.twine.platform.plugins.module_utils._images.bakery import BakeError, Bakery
from ansible_collections.twine.platform.plugins.module_utils._images.inputs import PLUGINS
from ansible_collections.twine.platform.plugins.modules.image_bake import all_inputs

FILES = {
    "roles/packages.yml": "base: [python3]\ncommon: [sudo]\n",
    "roles/common/tasks/main.yml": "[]\n",
    "playbooks/bake_machine.yml": "[]\n",
    "playbooks/configure_machine.yml": "[]\n",
    **{f"plugins/{name}": "" for name in PLUGINS},
    "playbooks/seal_image.yml": "[]\n",
    "packer/images/web.pkrvars.hcl": 'role = "web"\n',
}
SAID = {"docker": "sha256:base", "packer": "Packer v1.11.2", "ansible-playbook": "ansible-playbook [core 2.21.5]"}


def entry(name: str, depends: str = "", *, version: str = "1.0", required: bool = False) -> dict[str, Any]:
    return {
        "name": name,
        "version": version,
        "architecture": "all",
        "sha256": name.ljust(64, "0"),
        "depends": depends,
        "provides": "",
        "required": required,
    }


INDEX = [
    entry("web", "libone"),
    entry("libone"),
    entry("sudo"),
    entry("python3"),
    entry("dpkg", required=True),
    entry("postgresql", "libtwo"),
    entry("libtwo"),
]


@pytest.fixture
def bakery(tmp_path: Path) -> Bakery:
    """A bakery whose tools only say their versions."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)

    def run(command: list[str], **_options: object) -> tuple[int, str, str]:
        return 0, SAID[command[0]], ""

    return Bakery(run, tmp_path, tmp_path / "inventory", tmp_path / "records", "packer", "ansible-playbook", "twine-0", "none", "base")


def inputs(bakery: Bakery, index: list[dict[str, Any]]) -> dict[str, str]:
    snapshot = {"snapshot": "s", "packages": {"web": {}}, "index": index}
    images = {"web": {"roles": ["common"], "packages": ["web"]}}
    return all_inputs(bakery, {"images": images, "snapshot": snapshot, "architecture": "amd64"})["web"]


def test_packages_with_all_that_they_bring(bakery: Bakery) -> None:
    found = [name for name in inputs(bakery, INDEX) if name.startswith("package ")]
    assert found == [f"package {name}" for name in ("dpkg", "libone", "python3", "sudo", "web")]


@pytest.mark.parametrize(("name", "moves"), [("libone", True), ("dpkg", True), ("libtwo", False)])
def test_an_update_of_the_distribution_moves_the_images_that_have_it(bakery: Bakery, name: str, moves: bool) -> None:
    updated = [entry(name, version="1.0+deb12u1", required=item["required"]) if item["name"] == name else item for item in INDEX]
    assert (inputs(bakery, INDEX) != inputs(bakery, updated)) is moves


@pytest.mark.parametrize(
    ("tool", "says", "moved"),
    [
        ("docker", "sha256:another", "base image"),
        ("packer", "Packer v1.11.3", "tool packer"),
        ("ansible-playbook", "ansible-playbook [core 2.21.6]", "tool ansible"),
    ],
)
def test_the_base_image_and_each_tool_are_inputs(bakery: Bakery, monkeypatch: pytest.MonkeyPatch, tool: str, says: str, moved: str) -> None:
    before = inputs(bakery, INDEX)
    monkeypatch.setitem(SAID, tool, says)
    after = inputs(bakery, INDEX)
    assert {name for name in before if before[name] != after[name]} == {moved}


@pytest.mark.parametrize(("package", "moved"), [("ansible", "tool collections"), ("ansible_core", "tool ansible")])
def test_what_is_installed_beside_ansible_is_an_input(bakery: Bakery, tmp_path: Path, package: str, moved: str) -> None:
    def run(command: list[str], **_options: object) -> tuple[int, str, str]:
        return 0, SAID[Path(command[0]).name], ""

    found = []
    for version in ("14.5.0", "14.6.0"):
        packages = tmp_path / version / "lib/python3.13/site-packages"
        (packages / f"{package}-{version}.dist-info").mkdir(parents=True)
        program = tmp_path / version / "bin" / "ansible-playbook"
        found.append(replace(bakery, run_command=run, ansible_playbook=str(program)).versions())
    assert [versions[moved] for versions in found] == ["14.5.0", "14.6.0"]


def test_a_snapshot_of_the_same_packages_is_no_other_input(bakery: Bakery) -> None:
    images = {"web": {"roles": ["common"], "packages": ["web"]}}
    found = []
    for name, index in (("first", INDEX), ("second", INDEX[::-1])):
        snapshot = {"snapshot": name, "packages": {"web": {}}, "index": index}
        found.append(all_inputs(bakery, {"images": images, "snapshot": snapshot, "architecture": "amd64"}))
    assert found[0] == found[1]


def test_an_older_record_is_refused(bakery: Bakery) -> None:
    with pytest.raises(BakeError, match=r"it does not say what the snapshot holds. Publish it again"):
        all_inputs(bakery, {"images": {}, "snapshot": {"snapshot": "s", "packages": {}}, "architecture": "amd64"})


def test_a_package_that_was_not_published_is_named(bakery: Bakery) -> None:
    wanted = {"images": {"web": {"roles": [], "packages": ["web"]}}, "snapshot": {"packages": {}, "index": []}, "architecture": "amd64"}
    with pytest.raises(BakeError, match="Failed to bake image web: the snapshot has no package web"):
        all_inputs(bakery, wanted)


def test_without_its_network_nothing_is_started(bakery: Bakery) -> None:
    started: list[str] = []

    def run(command: list[str], **_options: object) -> tuple[int, str, str]:
        started.append(command[0])
        return (1 if command[1:3] == ["network", "inspect"] else 0), "", ""

    with pytest.raises(BakeError, match=r"Failed to bake image web: .* network none, which Docker does not have\. Run playbooks/repository\.yml"):
        replace(bakery, run_command=run).have("web", {"package web": "1.0"}, "s")
    assert set(started) == {"docker"}
