"""A bakery of AMIs says to Packer what its key knows, and keeps records beside those of containers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.twine.platform.plugins.module_utils._images.ami import AmiBakery, Place
from ansible_collections.twine.platform.plugins.module_utils._images.bake_key import key_of
from ansible_collections.twine.platform.plugins.module_utils._images.bakery import BakeError

INPUTS = {"package web": "1.0"}
OWN = {"ImageId": "ami-0123456789abcdef0", "OwnerId": "111111111111", "CreationDate": "2026-01-01T00:00:00.000Z", "Name": "web"}
DEBIAN = {"ImageId": "ami-debian", "OwnerId": "136693071363", "CreationDate": "2026-01-01T00:00:00.000Z", "Name": "debian-12-arm64-20260101-0000"}


LAYERS = {"base": "ours", "d" * 64: "ours"}


class Ec2:
    """Answers DescribeImages: Debian's by its owner, ours as soon as Packer has run."""

    def __init__(self) -> None:
        self.baked: list[dict[str, Any]] = []
        self.asked: list[dict[str, Any]] = []

    def describe_images(self, **asked: Any) -> dict[str, Any]:
        self.asked.append({item["Name"]: item["Values"][0] for item in asked["Filters"]})
        return {"Images": self.baked if asked["Owners"] == ["self"] else [DEBIAN]}


@pytest.fixture
def bakery(tmp_path: Path) -> AmiBakery:
    """A bakery whose Packer makes the image, in an account of arm64; what it started is in `tmp_path/started`."""
    ec2 = Ec2()

    def run(command: list[str], **options: Any) -> tuple[int, str, str]:
        if "build" in command:
            ec2.baked.append(OWN)
        with (tmp_path / "started").open("a") as file:
            file.write(json.dumps({"command": command, "environment": options["environ_update"]}) + "\n")
        if "inspect" in command:
            return 0, f"sha256:{'b' * 64} layer-of-{LAYERS.get(command[-1], 'another')}\n", ""
        return (0, "", "") if command[0] != "docker" else (0, f"sha256:{'d' * 64}\n", "")

    more = {"credentials_file": "/credentials", "ssh_from": "192.0.2.1/32", "source_owner": "136693071363"}
    place = Place("111111111111", "eu-west-2", "arm64", "twine-dev", **more)
    common = (run, tmp_path, tmp_path / "inventory", tmp_path / "records", "packer", "ansible-playbook", "twine-0", "none", "base")
    return AmiBakery(*common, place=place, ec2=ec2)


def started(bakery: AmiBakery) -> list[dict[str, Any]]:
    path = bakery.checkout / "started"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_packer_is_told_the_place_and_the_very_image_that_the_key_knows(bakery: AmiBakery) -> None:
    assert bakery.base_id() == "ami-debian"
    assert bakery.have("web", INPUTS, "s") == "baked"
    [packer] = [one for one in started(bakery) if "build" in one["command"]]
    assert "-only=image.amazon-ebs.machine" in packer["command"]
    told = dict(word.removeprefix("-var=").split("=", 1) for word in packer["command"] if word.startswith("-var="))
    assert {key: told[key] for key in ("architecture", "source_name", "ssh_from", "bake_key")} == {
        "architecture": "arm64",
        "source_name": "debian-12-arm64-20260101-0000",
        "ssh_from": "192.0.2.1/32",
        "bake_key": key_of(INPUTS),
    }
    assert "subnet_id" not in told
    assert (packer["environment"]["AWS_PROFILE"], packer["environment"]["AWS_SHARED_CREDENTIALS_FILE"]) == ("twine-dev", "/credentials")
    assert {"architecture": "arm64"}.items() <= bakery.ec2.asked[0].items()


def test_what_a_container_of_the_same_role_has_meanwhile_is_left_alone(bakery: AmiBakery) -> None:
    bakery.inventory.mkdir()
    others, own = (bakery.inventory / f"packer-provisioner-ansible{number}" for number in (1, 2))
    others.write_text("default ansible_connection=community.docker.docker ansible_host=0\n[web]\ndefault\n")
    own.write_text("default ansible_host=192.0.2.1\n[web]\ndefault\n")
    assert bakery.have("web", INPUTS, "s") == "baked"
    assert (others.exists(), own.exists()) == (True, False)
    assert not [one for one in started(bakery) if one["command"][:2] == ["docker", "rm"]]


def test_a_found_image_starts_nothing_but_is_recorded(bakery: AmiBakery) -> None:
    bakery.ec2.baked.append(OWN)
    assert bakery.have("web", INPUTS, "s") == "there"
    assert not [one for one in started(bakery) if "build" in one["command"]]
    record = json.loads((bakery.records / "web.ami.json").read_text())
    assert {"kind": "ami", "image_id": OWN["ImageId"], "id": OWN["ImageId"], "docker_id": "d" * 64}.items() <= record.items()


@pytest.mark.parametrize(("bottom", "base"), [("ours", "b" * 64), ("debian's", None)])
def test_an_image_on_the_checkouts_own_base_says_so(bakery: AmiBakery, monkeypatch: pytest.MonkeyPatch, bottom: str, base: str | None) -> None:
    monkeypatch.setitem(LAYERS, "d" * 64, bottom)
    assert bakery.identity("web", "k1", "ami-1").get("base") == base


def test_an_image_that_another_account_owns_is_not_there(bakery: AmiBakery) -> None:
    bakery.ec2.baked.append({**OWN, "OwnerId": "999999999999"})
    assert bakery.find("web", "k1") is None


def test_without_anything_to_begin_with_it_is_refused(bakery: AmiBakery) -> None:
    class Empty:
        def describe_images(self, **asked: Any) -> dict[str, Any]:
            return {"Images": []}

    with pytest.raises(BakeError, match=r"debian-12-arm64-\* of 136693071363: there is none in this region"):
        replace(bakery, ec2=Empty()).base_id()


def test_on_a_machine_without_docker_the_record_has_no_file_system(bakery: AmiBakery) -> None:
    def run(command: list[str], **options: Any) -> tuple[int, str, str]:
        raise FileNotFoundError(command[0])

    bakery.ec2.baked.append(OWN)
    assert replace(bakery, run_command=run).have("web", INPUTS, "s") == "there"
    record = json.loads((bakery.records / "web.ami.json").read_text())
    assert ("docker_id" in record, record["packages"]) == (False, {})
