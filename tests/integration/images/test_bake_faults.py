"""Bakes that go wrong, with real Packer on real containers: each says why in a sentence, nothing of it is left, the last image stays in use."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from tests.integration.images.small_checkout import HOLD, REPOSITORY, Small, docker, end, has_open, sentences, small_checkout, tree, wait
from tools import checkout

COMMON = {"name": "twine.platform.common"}
HASTY = {"common_apt_retries": 0, "common_packages": ["netbase"], "common_repository_packages": ["twine-archive-keyring"]}
LOCKS = ("/var/lib/apt/lists/lock", "/var/lib/dpkg/lock-frontend")
HOLDER = """
import fcntl, sys, time
files = [open(path, "w") for path in sys.argv[2:]]
for file in files:
    fcntl.lockf(file, fcntl.LOCK_EX)
time.sleep(float(sys.argv[1]))
"""


def on_host(name: str, *words: str) -> dict[str, object]:
    return {"name": name, "ansible.builtin.command": {"argv": list(words)}, "delegate_to": "localhost"}


def role(entry_point: str, **variables: object) -> dict[str, object]:
    return {
        "name": f"Do {entry_point} of role common",
        "ansible.builtin.import_role": {**COMMON, "tasks_from": entry_point},
        "vars": {**HASTY, **variables},
    }


def locked(seconds: float) -> dict[str, object]:
    """A job of the first boot that takes apt's locks and keeps them so long."""
    start = ("docker", "exec", "--detach", "{{ ansible_host }}", "python3", "-c", HOLDER, str(seconds), *LOCKS)
    return on_host("Begin a first-boot job", *start)


FULL = "/dev/shm/archives"
CUT = on_host("Take the repository away", "docker", "network", "disconnect", "{{ network }}", "{{ ansible_host }}")
TASKS: dict[str, list[dict[str, object]]] = {
    "good": [],
    "patient": [locked(6), role("apt"), role("install")],
    "twice": HOLD,
    "interrupted": HOLD,
    "terminated": HOLD,
    "killed": HOLD,
    "orphaned": HOLD,
    "locked": [locked(300), role("apt", common_apt_lock_timeout=2)],
    "away": [role("apt"), CUT, role("install")],
    "half": [
        {"name": "Write one file", "ansible.builtin.copy": {"content": "one\n", "dest": "/etc/one", "mode": "0644"}},
        {"name": "Make an account of a group that is not there", "ansible.builtin.user": {"name": "one", "group": "nobodys"}},
    ],
    "unsealed": [
        {"name": "Have a folder", "ansible.builtin.file": {"path": "/etc/machine", "state": "directory", "mode": "0755"}},
        {"name": "Leave a secret", "ansible.builtin.copy": {"content": "x\n", "dest": "/etc/machine/machine.env", "mode": "0600"}},
    ],
    "full": [
        role("apt"),
        {"name": "Have a small disk", "ansible.builtin.file": {"path": f"{FULL}/partial", "state": "directory", "mode": "0755"}},
        {
            "name": "Download to it",
            "ansible.builtin.copy": {"content": f'Dir::Cache::archives "{FULL}";\n', "dest": "/etc/apt/apt.conf.d/90small", "mode": "0644"},
        },
        {
            "name": "Fill it",
            "ansible.builtin.command": {"argv": ["dd", "if=/dev/zero", "of=/dev/shm/filler", "bs=1M"]},
            "register": "filled",
            "failed_when": "'No space left' not in filled.stderr",
        },
        role("install"),
    ],
    "unwritten": [],
}
FAILS = {
    "locked": r"task “common : Update apt's lists”: .*lock.*: wait for its end or stop it, then bake again\.",
    "away": r"task “common : Install packages”: .*twine-archive-keyring.*The package repository does not answer: .*, then bake again\.",
    "half": r"task “Make an account of a group that is not there”: Group nobodys does not exist\. Read .*half\.log, mend what .*, then bake again\.",
    "unsealed": r"Failed to seal the image: these do not belong into it.*/etc/machine/machine\.env.*\.",
    "full": r"task “common : Install packages”: .*enough free space in /dev/shm/archives.*\. Free space where Docker keeps its data.*bake again\.",
    "unwritten": r"[0-9a-f]{12} in .*unwritten\.json: No space left on device\. The image before it stays in use; free space .* finds this one\.",
}
STOPPED = {"interrupted": signal.SIGINT, "terminated": signal.SIGTERM}
# Those of which an image is there in the end; of the last one, without a record.
BAKED = ("good", "patient", "twice", "killed", "orphaned", "unwritten")


@dataclass
class Outcomes:
    """What became of every bake, by its image: exit code and what was said; and the record that stood for each before."""

    small: Small
    before: bytes
    first: tuple[int, str]
    failed: tuple[int, str]
    single: dict[str, tuple[int, str]]

    def sentence(self, image: str) -> str:
        return sentences(self.failed[1]).get(image, self.failed[1])


def twice(small: Small) -> tuple[int, str]:
    """The second of two bakes of one image at once: it has asked for the lock when the first one goes on."""
    first = small.start("twice")
    small.reached("twice")
    second = small.start("twice")
    wait(lambda: has_open(second.pid, small.lock("twice")), "the second bake to wait")
    small.go_on("twice")
    code, said = end(first)
    assert code == 0 and "twice" in said and "baked in" in said, said
    return end(second)


def stopped(small: Small, image: str) -> tuple[int, str]:
    """A bake that a signal ends, when all is gone."""
    process = small.start(image)
    small.reached(image)
    process.send_signal(STOPPED[image])
    said = end(process)
    wait(lambda: small.builder(image) not in small.containers() and is_free(small.lock(image)), f"{image} to be cleaned up")
    return said


def killed(small: Small) -> tuple[int, str]:
    """The bake after one that was killed, with Packer and all that it had started."""
    process = small.start("killed")
    small.reached("killed")
    for one in tree(process.pid):
        os.kill(one, signal.SIGKILL)
    end(process)
    assert small.builder("killed") in small.containers()
    small.define("killed", [])
    return small.bake("killed")


def orphaned(small: Small) -> tuple[int, str]:
    """The bake after one whose baker was killed, but not the Packer that it had started."""
    process = small.start("orphaned")
    small.reached("orphaned")
    for one in tree(process.pid, lambda name: not name.startswith("packer")):
        os.kill(one, signal.SIGKILL)
    end(process)
    second = small.start("orphaned")
    wait(lambda: has_open(second.pid, small.lock("orphaned")), "the next bake to wait")
    small.go_on("orphaned")
    return end(second)


def is_free(lock: Path) -> bool:
    with lock.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


@pytest.fixture(scope="module")
def outcomes() -> Iterator[Outcomes]:
    if docker("inspect", "--format", "{{.State.Running}}", REPOSITORY)[1] != "true":
        playbook = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "inventories/local", "playbooks/repository.yml"]
        subprocess.run(playbook, cwd=checkout.ROOT, check=True, capture_output=True)
    with small_checkout() as small:
        for image, tasks in TASKS.items():
            small.define(image, json.loads(json.dumps(tasks).replace("{{ network }}", f"{small.prefix}-bake")))
        first = small.bake("good")
        # For a bake that fails it is all one whose the record is that it must leave alone.
        for image in (*FAILS, *STOPPED):
            shutil.copy(small.record("good"), small.record(image))
        before = small.record("good").read_bytes()
        small.record("unwritten").with_suffix(".new").symlink_to("/dev/full")
        runs = {image: partial(stopped, small, image) for image in STOPPED}
        runs |= {"twice": partial(twice, small), "killed": partial(killed, small), "orphaned": partial(orphaned, small)}
        with ThreadPoolExecutor(max_workers=len(runs) + 2) as workers:
            failing = workers.submit(small.bake, *FAILS)
            begun: dict[str, Future[tuple[int, str]]] = {image: workers.submit(run) for image, run in runs.items()}
            begun["patient"] = workers.submit(small.bake, "patient")
        yield Outcomes(small, before, first, failing.result(), {image: run.result() for image, run in begun.items()})


def test_a_good_bake_is_good(outcomes: Outcomes) -> None:
    assert outcomes.first[0] == 0 and "because it was never baked here" in outcomes.first[1]


@pytest.mark.parametrize("image", FAILS)
def test_what_fails_says_why_in_a_sentence(outcomes: Outcomes, image: str) -> None:
    assert outcomes.failed[0] != 0
    assert re.fullmatch(rf"Failed to (?:bake|record) image {image}:? ?{FAILS[image]}", outcomes.sentence(image)), outcomes.sentence(image)


@pytest.mark.parametrize("image", [*FAILS, *STOPPED])
def test_the_last_good_image_stays_in_use(outcomes: Outcomes, image: str) -> None:
    record = outcomes.small.record(image)
    assert record.read_bytes() == outcomes.before
    assert docker("image", "inspect", json.loads(outcomes.before)["docker_id"])[0] == 0


def test_apts_lock_is_waited_for(outcomes: Outcomes) -> None:
    code, said = outcomes.single["patient"]
    assert code == 0, said
    assert "netbase" in json.loads(outcomes.small.record("patient").read_text())["packages"]


def test_of_two_at_once_one_bakes_and_the_other_attaches(outcomes: Outcomes) -> None:
    code, said = outcomes.single["twice"]
    assert code == 0 and "baked by another run, for which this one waited" in said, said


@pytest.mark.parametrize("image", STOPPED)
def test_an_interrupt_ends_it(outcomes: Outcomes, image: str) -> None:
    assert outcomes.single[image][0] != 0


def test_after_a_killed_bake_the_next_one_cleans_up_and_bakes(outcomes: Outcomes) -> None:
    code, said = outcomes.single["killed"]
    assert code == 0 and "baked in" in said, said


def test_a_packer_whose_baker_was_killed_is_waited_for(outcomes: Outcomes) -> None:
    code, said = outcomes.single["orphaned"]
    assert code == 0 and "baked by another run, for which this one waited" in said, said


def test_nothing_is_left(outcomes: Outcomes) -> None:
    small = outcomes.small
    assert small.containers() == []
    assert [image.partition(":")[0] for image in small.images()] == sorted(BAKED)
    assert not list(Path(tempfile.gettempdir()).glob(f"{small.prefix}*"))
    assert not list((small.root / "inventories/local").glob("packer*"))
    assert not list((small.root / "build/images").glob("*.new"))
    assert all(is_free(lock) for lock in (small.root / "build/images").glob("*.lock"))
    programs = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert not [line for line in programs.splitlines() if str(small.root) in line]
