"""Each input alone moves the key; what is no input does not."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.twine.platform.plugins.module_utils._images.bake_key import key_of, moved, recipe_of
from ansible_collections.twine.platform.plugins.module_utils._images.inputs import PLUGINS, collect, installed_by

PACKAGES = {"twine": f"1.0.0-1~deb12 {'a' * 64}"}
FILES = {
    "roles/common/tasks/main.yml": "- name: One\n  ansible.builtin.debug:\n    msg: one\n",
    "roles/common/templates/etc/one.j2": "one\n",
    "roles/common/README.md": "# Common\n",
    "roles/nginx/tasks/main.yml": "- name: Two\n",
    "roles/other/tasks/main.yml": "- name: Three\n",
    "playbooks/bake_machine.yml": "- hosts: all\n",
    "playbooks/configure_machine.yml": "- hosts: all\n",
    **{f"plugins/{name}": "one = 1\n" for name in PLUGINS},
    "playbooks/seal_image.yml": "- hosts: all\n",
    "roles/packages.yml": "base: [python3]\ncommon: [sudo]\nnginx: [nginx]\nother: [other]\n",
    "packer/image.pkr.hcl": '# comment\nbuild {\n  name = "image"\n}\n',
    "packer/images/twine.pkrvars.hcl": 'role = "twine"\n',
    "packer/images/bastion.pkrvars.hcl": 'role = "bastion"\n',
    "inventories/local/group_vars/all/estate.yml": (
        "estate: one\nnginx_keepalive: 75\nsecret: !vault x\nnginx_names: ['{{ domain }}']\ndomain: '{{ zone }}.example'\nzone: a\n"
    ),
    "inventories/local/group_vars/twine.yml": "common_packages: [a]\n",
}


def checkout(folder: Path) -> Path:
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def key(folder: Path, packages: dict[str, str] | None = None) -> str:
    return key_of(collect(folder, folder / "inventories/local", "twine", ["common", "nginx"], packages or PACKAGES))


def edit(name: str, old: str, new: str) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        path = folder / name
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))

    return change


@pytest.mark.parametrize(
    "change",
    [
        edit("roles/common/tasks/main.yml", "msg: one", "msg: two"),
        edit("roles/common/templates/etc/one.j2", "one", "two"),
        edit("roles/nginx/tasks/main.yml", "Two", "Four"),
        edit("playbooks/bake_machine.yml", "all", "twine"),
        edit("playbooks/configure_machine.yml", "all", "twine"),
        *[edit(f"plugins/{name}", "1", "2") for name in PLUGINS],
        edit("playbooks/seal_image.yml", "all", "twine"),
        edit("packer/image.pkr.hcl", "image", "picture"),
        edit("packer/images/twine.pkrvars.hcl", "twine", "linen"),
        edit("inventories/local/group_vars/all/estate.yml", "75", "76"),
        edit("inventories/local/group_vars/all/estate.yml", "zone: a", "zone: b"),
        edit("inventories/local/group_vars/twine.yml", "[a]", "[a, b]"),
        lambda folder: (folder / "inventories/local/group_vars/twine.yml").unlink(),
        lambda folder: (folder / "roles/common/templates/etc/one.j2").rename(folder / "roles/common/templates/etc/two.j2"),
        lambda folder: (folder / "roles/common/templates/etc/one.j2").unlink(),
        lambda folder: (folder / "packer/more.pkr.hcl").write_text("locals {}\n"),
        lambda folder: (folder / "roles/common/files").mkdir() or (folder / "roles/common/files/new").write_text(""),
        lambda folder: (folder / "roles/common/templates/etc/one.j2").chmod(0o755),
    ],
)
def test_each_input_alone_moves_the_key(tmp_path: Path, change: Callable[[Path], object]) -> None:
    folder = checkout(tmp_path)
    before = key(folder)
    change(folder)
    assert key(folder) != before


@pytest.mark.parametrize(
    "packages",
    [
        {"twine": f"1.0.1-1~deb12 {'a' * 64}"},
        {"twine": f"1.0.0-1~deb12 {'b' * 64}"},
        {**PACKAGES, "libc6": f"2.36-9+deb12u10 {'c' * 64}"},
    ],
)
def test_a_packages_version_and_content_move_the_key(tmp_path: Path, packages: dict[str, str]) -> None:
    folder = checkout(tmp_path)
    assert key(folder) != key(folder, packages)


@pytest.mark.parametrize(
    "change",
    [
        edit("roles/common/README.md", "Common", "About"),
        edit("roles/other/tasks/main.yml", "Three", "Five"),
        edit("roles/common/tasks/main.yml", "- name", "# why\n- name"),
        edit("roles/common/tasks/main.yml", "msg: one", "msg: one  # why"),
        edit("packer/image.pkr.hcl", "# comment", "# another"),
        edit("packer/image.pkr.hcl", 'name = "image"', 'name = "image" # the image'),
        edit("inventories/local/group_vars/all/estate.yml", "estate: one\nnginx_keepalive: 75", "# why\nnginx_keepalive: 75\nestate: one"),
        edit("inventories/local/group_vars/all/estate.yml", "nginx_keepalive: 75", 'nginx_keepalive:  75\nunused: "{{ zone }}"'),
        lambda folder: (folder / "roles/common/__pycache__").mkdir() or (folder / "roles/common/__pycache__/a.pyc").write_text("x"),
        edit("packer/images/bastion.pkrvars.hcl", "bastion", "gate"),
        edit("inventories/local/group_vars/all/estate.yml", "estate: one", "estate: two"),
        lambda folder: os.utime(folder / "roles/common/tasks/main.yml", (0, 0)),
    ],
)
def test_what_configures_nothing_does_not(tmp_path: Path, change: Callable[[Path], object]) -> None:
    folder = checkout(tmp_path)
    before = key(folder)
    change(folder)
    assert key(folder) == before


def test_the_checkouts_place_does_not(tmp_path: Path) -> None:
    first = checkout(tmp_path / "one")
    shutil.copytree(first, tmp_path / "two")
    assert key(first) == key(tmp_path / "two")


def test_order_does_not(tmp_path: Path) -> None:
    assert key_of({"a": "1", "b": "2"}) == key_of({"b": "2", "a": "1"})
    folder, more = checkout(tmp_path), {**PACKAGES, "libc6": f"2.36-9+deb12u10 {'c' * 64}"}
    assert key(folder, more) == key(folder, dict(reversed(more.items())))


def test_a_string_in_hcl_that_looks_like_a_comment_counts(tmp_path: Path) -> None:
    folder = checkout(tmp_path)
    keys = set()
    for address in ("http://one", "http://two", "#one", "a #one", "a #two"):
        (folder / "packer/more.pkr.hcl").write_text(f'source = "{address}"\n')
        keys.add(key(folder))
    assert len(keys) == 5


def test_what_moved_is_said_from_what_to_what() -> None:
    old = {"package twine": "1.0.0 " + "a" * 64, "role nginx": "c" * 64, "gone": "1"}
    new = {"package twine": "1.0.1 " + "b" * 64, "role nginx": "c" * 64, "fresh": "1"}
    assert moved(old, new) == ["fresh is new", "gone is gone", f"package twine: 1.0.0 {'a' * 12} → 1.0.1 {'b' * 12}"]


def test_nothing_moved_says_nothing() -> None:
    assert moved({"a": "1"}, {"a": "1"}) == []


def test_what_roles_install_is_declared(tmp_path: Path) -> None:
    assert installed_by(checkout(tmp_path), ["common", "nginx", "undeclared"]) == ["nginx", "python3", "sudo"]


def test_a_recipe_is_all_but_what_is_begun_with() -> None:
    inputs = {"role nginx": "a", "base image": "sha256:1"}
    assert recipe_of(inputs) == recipe_of(inputs | {"base image": "ami-2"}) != recipe_of(inputs | {"role nginx": "b"})
