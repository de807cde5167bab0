"""Packer itself takes the one build for every role and source, and refuses what it must."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
TOOLS = ROOT / "build" / "tools"
ROLES = sorted(path.name.split(".")[0] for path in (ROOT / "packer" / "images").glob("*.pkrvars.hcl"))
# What packer reads of the disk image is its name and digest; it is fetched when a box is built.
GIVEN = {
    "bake_key": "0123456789ab",
    "snapshot": "20261124t041311z-edf862a2ff56",
    "inventory_folder": str(ROOT / "inventories" / "local"),
    "ansible_playbook": str(Path(sys.executable).parent / "ansible-playbook"),
    "qemu_image_url": "https://images.example.org/debian-12-generic-amd64.qcow2",
    "qemu_image_checksum": f"sha512:{'0' * 128}",
}


def validate(role: str, **changed: str) -> subprocess.CompletedProcess[str]:
    packer = shutil.which("packer", path=f"{TOOLS / 'bin'}{os.pathsep}{os.environ['PATH']}")
    assert packer, "Failed to find packer: run `make setup`."
    words = [f"-var={name}={value}" for name, value in {**GIVEN, **changed}.items()]
    env = {**os.environ, "CHECKPOINT_DISABLE": "1", "PACKER_PLUGIN_PATH": str(TOOLS / "packer_plugins")}
    command = [packer, "validate", f"-var-file=packer/images/{role}.pkrvars.hcl", *words, "packer"]
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("role", ROLES)
def test_every_role_can_be_baked_from_every_source(role: str) -> None:
    done = validate(role)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "The configuration is valid" in done.stdout


def test_another_architecture_is_refused() -> None:
    done = validate("twine", architecture="sparc")

    assert done.returncode != 0
    assert "amd64 or arm64" in done.stdout + done.stderr


def test_a_disk_image_is_needed_for_the_box() -> None:
    assert "iso_url" in (done := validate("twine", qemu_image_url="")).stdout + done.stderr


def test_a_builder_that_is_open_to_the_world_is_refused() -> None:
    done = validate("twine", ssh_from="0.0.0.0/0")

    assert done.returncode != 0
    assert "may not be open to the world" in done.stdout + done.stderr


@pytest.mark.parametrize(("architecture", "kind"), [("amd64", "t3.medium"), ("arm64", "t4g.medium")])
def test_the_builder_is_of_the_images_architecture(architecture: str, kind: str) -> None:
    packer = shutil.which("packer", path=f"{TOOLS / 'bin'}{os.pathsep}{os.environ['PATH']}")
    words = [f"-var={name}={value}" for name, value in {**GIVEN, "architecture": architecture}.items()]
    env = {**os.environ, "CHECKPOINT_DISABLE": "1", "PACKER_PLUGIN_PATH": str(TOOLS / "packer_plugins")}
    asked = 'join(" ", [local.instance_types[var.architecture], local.tags["twine:architecture"]])\n'
    command = [str(packer), "console", "-var-file=packer/images/twine.pkrvars.hcl", *words, "packer"]
    done = subprocess.run(command, cwd=ROOT, env=env, input=asked, capture_output=True, text=True, check=False)

    assert done.stdout.split() == [kind, architecture], done.stderr
