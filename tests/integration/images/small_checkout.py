"""A checkout in small, with bakes of a few seconds: its own Packer files, playbooks and inventory, and machines that are one file of tasks each.

It has an id of its own, as every checkout, so all that it makes in Docker is told apart from this one's.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from tools import checkout

REPOSITORY = f"{checkout.prefix()}-repository"
PATIENCE = 120.0
SCRIPTS = Path(sys.executable).parent
IMAGE: dict[str, list[str]] = {"roles": ["image"], "packages": []}
# The module as Ansible runs it, its options in a file.
MODULE = """
import json, pathlib, sys
from ansible.module_utils.testing import patch_module_args
from ansible_collections.twine.platform.plugins.modules import image_bake
with patch_module_args(json.loads(pathlib.Path(sys.argv[1]).read_text())):
    image_bake.main()
"""
# The one play of every machine; its group says which tasks.
PLAY = [
    {
        "name": "Configure a small machine",
        "hosts": "all",
        "gather_facts": False,
        "vars": {"machine_phase": "bake"},
        "environment": {"SYSTEMD_OFFLINE": "1"},
        "tasks": [{"name": "Do what it is for", "ansible.builtin.include_tasks": "{{ inventory_dir }}/../../small/{{ group_names | first }}.yml"}],
    }
]
# There, and nowhere else, a machine waits until it is told to go on.
REACHED, GO = "/var/tmp/reached", "/var/tmp/go"
HOLD = [
    {"name": "Say how far it has come", "ansible.builtin.copy": {"content": "", "dest": REACHED, "mode": "0644"}},
    {"name": "Wait to be told", "ansible.builtin.wait_for": {"path": GO, "timeout": int(PATIENCE), "sleep": 1}},
]


@dataclass(frozen=True)
class Small:
    """The small checkout."""

    root: Path

    @property
    def prefix(self) -> str:
        return checkout.prefix(self.root)

    @property
    def label(self) -> str:
        return checkout.label(self.root)

    def define(self, image: str, tasks: list[dict[str, object]]) -> None:
        """Have an image of that name, whose machine is configured by these tasks."""
        (self.root / "small" / f"{image}.yml").write_text(yaml.safe_dump(tasks, sort_keys=False, width=1000))
        (self.root / "packer" / "images" / f"{image}.pkrvars.hcl").write_text(f'role           = "{image}"\nroot_gigabytes = 4\n')

    def start(self, *images: str) -> subprocess.Popen[str]:
        """Begin to bake these images, by the module alone: a playbook round it takes as long as such a bake."""
        given = {
            "images": dict.fromkeys(images, IMAGE),
            "snapshot": json.loads((self.root / "build/releases/snapshot.json").read_text()),
            "checkout": str(self.root),
            "inventory": str(self.root / "inventories/local"),
            "prefix": self.prefix,
            "packer": str(checkout.BINARIES / "packer"),
            "ansible_playbook": str(SCRIPTS / "ansible-playbook"),
        }
        path = self.root / "build" / f"{'-'.join(images)}.{time.monotonic_ns()}.json"
        path.write_text(json.dumps(given))
        return self._begin([sys.executable, "-c", MODULE, str(path)])

    def play(self, *images: str) -> subprocess.Popen[str]:
        """Begin `make bake` of these images."""
        machines = {"bake_machines": dict.fromkeys(images, IMAGE)}
        command = [str(SCRIPTS / "ansible-playbook"), "-i", "inventories/local", "playbooks/bake_image.yml"]
        return self._begin([*command, "-e", json.dumps(machines)])

    def _begin(self, command: list[str]) -> subprocess.Popen[str]:
        path = f"{SCRIPTS}{os.pathsep}{checkout.BINARIES}{os.pathsep}{os.environ['PATH']}"
        environment = {**os.environ, "PATH": path, "PACKER_PLUGIN_PATH": str(checkout.PLUGINS)}
        return subprocess.Popen(
            command, cwd=self.root, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def bake(self, *images: str) -> tuple[int, str]:
        """Bake to the end; exit code and what was said."""
        return end(self.start(*images))

    def reached(self, image: str) -> None:
        """Wait until the machine of `image` is being configured and waits."""
        wait(lambda: docker("exec", self.builder(image), "test", "-e", REACHED)[0] == 0, f"{image} to be half-way")

    def go_on(self, image: str) -> None:
        assert docker("exec", self.builder(image), "touch", GO)[0] == 0

    def builder(self, image: str) -> str:
        return f"{self.prefix}-builder-{image}"

    def record(self, image: str) -> Path:
        return self.root / "build" / "images" / f"{image}.json"

    def lock(self, image: str) -> Path:
        return self.record(image).with_suffix(".lock")

    def containers(self) -> list[str]:
        return docker("ps", "--all", "--filter", f"label={self.label}", "--format", "{{.Names}}")[1].split()

    def images(self) -> list[str]:
        """Every image of the checkout, as its role and tag."""
        shown = docker("images", "--filter", f"label={self.label}", "--format", "{{.Repository}}:{{.Tag}}")[1]
        return sorted(line.removeprefix(f"{self.prefix}/") for line in shown.split())


def end(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Wait for a bake's end; exit code and what was said."""
    said, _nothing = process.communicate(timeout=300)
    return process.returncode, said


def sentences(said: str) -> dict[str, str]:
    """What the module said of each image that failed."""
    lines = json.loads(said.splitlines()[-1]).get("msg", "").splitlines()
    return {found[1]: line for line in lines if (found := re.match(r"Failed to (?:bake|record) image (\w+)", line))}


def docker(*words: str) -> tuple[int, str]:
    done = subprocess.run(["docker", *words], capture_output=True, text=True, timeout=PATIENCE, check=False)
    return done.returncode, done.stdout.strip()


def wait(condition: Callable[[], bool], what: str) -> None:
    ends = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < ends, f"waited {PATIENCE:.0f} s for {what}"
        time.sleep(0.2)


def tree(process: int) -> list[int]:
    """A process and all that it started."""
    children: dict[int, list[int]] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(status.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        children.setdefault(parent, []).append(int(status.parent.name))
    found, todo = [], [process]
    while todo:
        one = todo.pop()
        found.append(one)
        todo += children.get(one, [])
    return found


def has_open(process: int, path: Path) -> bool:
    """Whether a process, or one that it started, has a file open."""
    for one in tree(process):
        try:
            if any(link.readlink() == path for link in Path(f"/proc/{one}/fd").iterdir()):
                return True
        except OSError:
            continue
    return False


@contextmanager
def small_checkout() -> Iterator[Small]:
    """Make one, with a network on which our repository answers; take all of it away."""
    with tempfile.TemporaryDirectory(prefix="bakes-") as folder:
        root = Path(folder).resolve()
        for name in ("ansible.cfg", "packer", "playbooks", "inventories/local", "build/releases/snapshot.json"):
            source, target = checkout.ROOT / name, root / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)
        for name in ("plugins", "roles"):
            (root / name).symlink_to(checkout.ROOT / name)
        (root / "build" / "tools").symlink_to(checkout.BUILD / "tools")
        (root / "build" / "images").mkdir()
        (root / "small").mkdir()
        (root / "playbooks" / "configure_machine.yml").write_text(yaml.safe_dump(PLAY, sort_keys=False))
        small = Small(root)
        network = f"{small.prefix}-bake"
        try:
            assert docker("network", "create", "--label", small.label, network)[0] == 0
            assert docker("network", "connect", "--alias", "repository", network, REPOSITORY)[0] == 0
            yield small
        finally:
            for container in small.containers():
                docker("rm", "--force", "--volumes", container)
            docker("network", "disconnect", "--force", network, REPOSITORY)
            docker("network", "rm", network)
            if images := docker("images", "--quiet", "--filter", f"label={small.label}")[1].split():
                docker("rmi", "--force", *dict.fromkeys(images))
