"""Containers that are made for a look at an image go away, however the look ends. Docker is played by a table of answers."""

from __future__ import annotations

import os
import shutil
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ansible_collections.twine.platform.plugins.module_utils._images import containers
from ansible_collections.twine.platform.plugins.module_utils._images.manifest import ManifestError
from tests.unit.plugins.module_utils._images import machine

Answer = tuple[int, str, str]
UP, BOOTING = (0, "running\n", ""), (1, "starting\n", "")
NGINX = 'tcp LISTEN 0 1 0.0.0.0:80 0.0.0.0:* users:(("nginx",pid=1,fd=1))\n'


class Docker:
    """Answers by what is asked (create, run, exec systemctl, exec ss …), the last answer again and again; `exported` is what export writes."""

    def __init__(self, answers: dict[str, list[Answer]], exported: Path | None = None) -> None:
        self.answers = {"create": [(0, "c1\n", "")], "run": [(0, "c1\n", "")], **answers}
        self.exported = exported
        self.removed: list[str] = []
        self.started: list[str] = []

    def __call__(self, command: list[str]) -> Answer:
        assert command[0] == "docker"
        verb = command[3] if command[1] == "exec" else command[1]
        if verb == "run":
            self.started = command
        if verb == "rm":
            self.removed.append(command[-1])
        if verb == "export" and self.exported:
            shutil.copyfile(self.exported, command[command.index("--output") + 1])
        left = self.answers.get(verb, [(0, "", "")])
        return left.pop(0) if len(left) > 1 else left[0]


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "_SETTLED_SECONDS", 0)
    monkeypatch.setattr(containers, "_BOOT_SECONDS", 1)


def test_the_file_system_is_exported_and_the_container_removed(tmp_path: Path) -> None:
    docker = Docker({}, machine.packed(machine.make(tmp_path / "root"), tmp_path / "root.tar"))
    assert "/etc/passwd" in containers.root_of(docker, "web", {}).contents
    assert docker.removed == ["c1"]


def test_a_machine_that_is_being_read_goes_when_the_reader_is_ended(tmp_path: Path) -> None:
    docker = Docker({}, machine.packed(machine.make(tmp_path / "root"), tmp_path / "root.tar"))
    waited_for = threading.Event()

    def read(command: list[str]) -> Answer:
        if command[1] == "export":
            # Not while its thread is only being started: nobody would wait for that one.
            assert waited_for.wait(10)
            os.kill(os.getpid(), signal.SIGTERM)
        return docker(command)

    def wait() -> None:
        with ThreadPoolExecutor() as workers:
            reading = workers.submit(containers.root_of, read, "web", {})
            waited_for.set()
            reading.result()

    with pytest.raises(KeyboardInterrupt), containers.orderly():
        wait()
    assert docker.removed == ["c1"]


def test_ports_are_asked_until_they_stay(tmp_path: Path) -> None:
    docker = Docker({"systemctl": [BOOTING, UP], "ss": [(0, "", ""), (0, NGINX, ""), (0, NGINX, "")]})
    assert containers.ports_of(docker, "web", {}) == ["tcp 0.0.0.0:80 nginx"]
    # Nobody tells it its configuration, so it does not wait for that.
    assert docker.started[-2:] == ["web", "systemd.setenv=MACHINE_PATIENCE=1"]
    assert docker.removed == ["c1"]


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        ({"run": [(125, "", "No such image: web")]}, "Failed to make a container of image web: No such image: web. See that Docker runs"),
        ({"systemctl": [BOOTING], "logs": [(0, "Freezing execution.", "")]}, "systemd is not up, 1 s at most. It said: Freezing execution."),
        ({"systemctl": [(1, "", "Container c1 is not running")]}, "systemd is not up"),
        ({"systemctl": [UP], "ss": [(127, "", "ss: not found")]}, "Failed to ask c1 for its ports: ss: not found."),
    ],
)
def test_a_machine_that_does_not_come_up_is_said_and_removed(answers: dict[str, list[Answer]], why: str) -> None:
    docker = Docker(answers)
    with pytest.raises(ManifestError, match=why.replace(".", r"\.")):
        containers.ports_of(docker, "web", {})
    assert docker.removed == ([] if "run" in answers else ["c1"])


def test_an_image_that_is_not_exported_leaves_no_container() -> None:
    docker = Docker({"export": [(1, "", "no space left on device")]})
    with pytest.raises(ManifestError, match="Failed to export image web: no space left on device"):
        containers.root_of(docker, "web", {})
    assert docker.removed == ["c1"]
