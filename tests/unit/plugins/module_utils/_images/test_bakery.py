"""What a bakery does around Packer, which is a program of a few lines here: it "bakes" by naming an image to a Docker that is a dictionary."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.twine.platform.plugins.module_utils._images import bakery as module
from ansible_collections.twine.platform.plugins.module_utils._images.bake_key import key_of
from ansible_collections.twine.platform.plugins.module_utils._images.bakery import BakeError, Bakery

INPUTS = {"package web": "1.0"}
KEY = key_of(INPUTS)
FAILS = "Build 'image.docker.machine' errored after 1 second: Error running container: no such image."


class Docker:
    """Answers as Docker's client does, and remembers what it was asked."""

    def __init__(self) -> None:
        self.images: list[str] = []
        self.asked: list[list[str]] = []
        self.packer: Callable[[], int] = lambda: 0
        self.log = Path()

    def __call__(self, command: list[str], **options: Any) -> tuple[int, str, str]:
        if command[0] != "docker":
            self.asked.append(["packer", options["environ_update"]["TMPDIR"]])
            return self.packer(), "", ""
        self.asked.append(command[1:])
        if command[1] == "images":
            return 0, "\n".join(self.images), ""
        return 0, "web\t1.0\n" if command[1] == "run" else "", ""

    def bakes(self) -> int:
        self.images = ["sha256:" + "a" * 64]
        return 0

    def fails(self) -> int:
        self.log.write_text(FAILS)
        return 1


@pytest.fixture
def docker(tmp_path: Path) -> Docker:
    found = Docker()
    found.log = tmp_path / "records/web.log"
    return found


@pytest.fixture
def bakery(tmp_path: Path, docker: Docker, monkeypatch: pytest.MonkeyPatch) -> Bakery:
    (tmp_path / "inventory").mkdir()
    monkeypatch.setattr(module, "scratch", lambda name: tmp_path / name)
    return Bakery(docker, tmp_path, tmp_path / "inventory", tmp_path / "records", "packer", "ansible-playbook", "twine-0", "twine-0-bake", "base")


def test_an_image_is_baked_once(bakery: Bakery, docker: Docker) -> None:
    docker.packer = docker.bakes
    assert [bakery.have("web", INPUTS, "s"), bakery.have("web", INPUTS, "s")] == ["baked", "there"]
    assert len([words for words in docker.asked if words[0] == "packer"]) == 1
    assert bakery.last("web")["docker_image"] == f"twine-0/web:{KEY}"


def test_an_image_that_has_lost_its_name_gets_it_again(bakery: Bakery, docker: Docker) -> None:
    docker.bakes()
    assert bakery.have("web", INPUTS, "s") == "there"
    assert ["tag", "a" * 64, f"twine-0/web:{KEY}"] in docker.asked


def test_a_bake_that_fails_leaves_the_record_and_says_why(bakery: Bakery, docker: Docker) -> None:
    bakery.records.mkdir()
    (bakery.records / "web.json").write_text('{"inputs": {}}')
    docker.packer = docker.fails
    with pytest.raises(BakeError, match=r"^Failed to bake image web: Error running container: no such image\. Read .*web\.log, mend"):
        bakery.have("web", INPUTS, "s")
    assert (bakery.records / "web.json").read_text() == '{"inputs": {}}'


def test_a_bake_that_says_nothing_is_told_by_its_code(bakery: Bakery, docker: Docker) -> None:
    docker.packer = lambda: 7
    with pytest.raises(BakeError, match=r"^Failed to bake image web: Packer ended with 7\. Read .*web\.log"):
        bakery.have("web", INPUTS, "s")


def test_the_machine_and_its_inventory_go_before_and_after(bakery: Bakery, docker: Docker, tmp_path: Path) -> None:
    left, others, ami = (tmp_path / "inventory" / f"packer-provisioner-ansible{number}" for number in (1, 2, 3))
    left.write_text("default ansible_connection=community.docker.docker ansible_host=0\n[web]\ndefault\n")
    others.write_text("default ansible_connection=community.docker.docker ansible_host=0\n[bastion]\ndefault\n")
    ami.write_text("default ansible_host=192.0.2.1\n[web]\ndefault\n")
    docker.packer = docker.fails
    with pytest.raises(BakeError):
        bakery.have("web", INPUTS, "s")
    assert (left.exists(), others.exists(), ami.exists()) == (False, True, True)
    removes = ["rm", "--force", "--volumes", "twine-0-builder-web"]
    around = [words[0] for words in docker.asked if words == removes or words[0] == "packer"]
    assert around == ["rm", "packer", "rm"]
    assert not (tmp_path / "twine-0-web").exists()


def test_what_a_killed_baker_left_behind_its_packer_goes(bakery: Bakery, docker: Docker, tmp_path: Path) -> None:
    (tmp_path / "twine-0-web").mkdir()
    docker.bakes()
    assert bakery.have("web", INPUTS, "s") == "there"
    assert not (tmp_path / "twine-0-web").exists()


def test_a_folder_of_somebody_elses_is_not_used(bakery: Bakery, tmp_path: Path) -> None:
    (tmp_path / "twine-0-web").symlink_to(tmp_path / "inventory")
    with pytest.raises(BakeError, match=r"^Failed to bake image web: .*twine-0-web is somebody else's\. Remove it"):
        bakery.have("web", INPUTS, "s")


def test_a_record_that_cannot_be_written_leaves_the_one_before(bakery: Bakery, docker: Docker) -> None:
    docker.packer = docker.bakes
    bakery.have("web", INPUTS, "s")
    before = (bakery.records / "web.json").read_bytes()
    docker.images = []
    (bakery.records / "web.new").symlink_to("/dev/full")
    with pytest.raises(BakeError, match=r"Failed to record image web \w{12} in .*: No space left on device\. The image before it stays in use"):
        bakery.have("web", {"package web": "1.1"}, "s")
    assert (bakery.records / "web.json").read_bytes() == before
    assert not (bakery.records / "web.new").is_symlink()


def test_after_a_signal_nothing_is_baked(bakery: Bakery, docker: Docker) -> None:
    bakery.builds.stopped = "SIGTERM"
    with pytest.raises(BakeError, match=r"image web: it was told to end \(SIGTERM\), and nothing of it is left\. Bake again\.$"):
        bakery.have("web", INPUTS, "s")
    assert not [words for words in docker.asked if words[0] == "packer"]


def test_why_is_said_from_what_to_what(bakery: Bakery, docker: Docker) -> None:
    assert bakery.explain("web", INPUTS) == "it was never baked here"
    docker.packer = docker.bakes
    bakery.have("web", INPUTS, "s")
    assert bakery.explain("web", {"package web": "1.1"}) == "package web: 1.0 → 1.1"
    assert json.loads((bakery.records / "web.json").read_text())["inputs"] == INPUTS
