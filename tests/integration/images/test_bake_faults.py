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
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
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


FACTS = {"name": "Ask what it is", "ansible.builtin.setup": {"gather_subset": ["!all", "distribution"]}}


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
    "patient": [FACTS, locked(6), role("apt"), role("install")],
    "interrupted": HOLD,
    "terminated": HOLD,
    "killed": HOLD,
    "orphaned": HOLD,
    "locked": [FACTS, locked(300), role("apt", common_apt_lock_timeout=2)],
    "away": [FACTS, role("apt"), CUT, role("install")],
    "half": [
        {"name": "Write one file", "ansible.builtin.copy": {"content": "one\n", "dest": "/etc/one", "mode": "0644"}},
        {"name": "Make an account of a group that is not there", "ansible.builtin.user": {"name": "one", "group": "nobodys"}},
    ],
    "unsealed": [
        {"name": "Have a folder", "ansible.builtin.file": {"path": "/etc/machine", "state": "directory", "mode": "0755"}},
        {"name": "Leave a secret", "ansible.builtin.copy": {"content": "x\n", "dest": "/etc/machine/machine.env", "mode": "0600"}},
    ],
    "full": [
        FACTS,
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
}
FAILS = {
    "locked": r"task “common : Update apt's lists”: .*lock.*: wait for its end or stop it, then bake again\.",
    "away": r"task “common : Install packages”: .*twine-archive-keyring.*The package repository does not answer: .*, then bake again\.",
    "half": r"task “Make an account of a group that is not there”: Group nobodys does not exist\. Read .*half\.log, mend what .*, then bake again\.",
    "unsealed": r"Failed to seal the image: these do not belong into it.*/etc/machine/machine\.env.*\.",
    "full": r"task “common : Install packages”: .*enough free space in /dev/shm/archives.*\. Free space where Docker keeps its data.*bake again\.",
}
STOPPED = {"interrupted": signal.SIGINT, "terminated": signal.SIGTERM}
UNWRITTEN = r"[0-9a-f]{12} in .*good\.json: No space left on device\. The image before it stays in use; free space .* finds this one\."
# Those of which there is an image in the end.
BAKED = ("good", "killed", "orphaned", "patient")


@dataclass
class Outcomes:
    """What became of every bake, by what it was: exit code and what was said; and the record that stood for each image before."""

    small: Small
    before: bytes
    runs: dict[str, tuple[int, str]]


def stopped(small: Small, image: str) -> tuple[int, str]:
    """A bake that a signal ends, when all is gone."""
    process = small.start(image)
    small.reached(image)
    process.send_signal(STOPPED[image])
    said = end(process)
    wait(lambda: small.builder(image) not in small.containers() and is_free(small.lock(image)), f"{image} to be cleaned up")
    return said


def killed(small: Small) -> dict[str, tuple[int, str]]:
    """Two bakes at once, after one that was killed with Packer and all that it had started."""
    process = small.start("killed")
    small.reached("killed")
    for one in tree(process.pid):
        os.kill(one, signal.SIGKILL)
    end(process)
    left = docker("inspect", "--format", "{{.Id}}", small.builder("killed"))[1]
    assert left
    first, second = small.start("killed"), small.start("killed")
    wait(lambda: docker("inspect", left)[0] != 0, "one of the two to clean up")
    small.reached("killed")
    wait(lambda: all(has_open(run.pid, small.lock("killed")) for run in (first, second)), "the other to wait")
    small.go_on("killed")
    return {"first": end(first), "second": end(second)}


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


def unwritten(small: Small) -> dict[str, tuple[int, str]]:
    """The first good bake, which finds the disk full when it has baked; then there is room again."""
    full = small.record("good").with_suffix(".new")
    full.symlink_to("/dev/full")
    return {"unwritten": small.bake("good"), "written": small.bake("good")}


@pytest.fixture(scope="module")
def outcomes() -> Iterator[Outcomes]:
    if docker("inspect", "--format", "{{.State.Running}}", REPOSITORY)[1] != "true":
        playbook = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "inventories/local", "playbooks/repository.yml"]
        subprocess.run(playbook, cwd=checkout.ROOT, check=True, capture_output=True)
    with small_checkout() as small:
        for image, tasks in TASKS.items():
            small.define(image, json.loads(json.dumps(tasks).replace("{{ network }}", f"{small.prefix}-bake")))
        runs = unwritten(small)
        # To a bake that fails it is all one whose the record is that it must leave alone.
        for image in (*FAILS, *STOPPED):
            shutil.copy(small.record("good"), small.record(image))
        before = small.record("good").read_bytes()
        with ThreadPoolExecutor() as workers:
            failing = workers.submit(small.bake, *FAILS, "patient")
            stopping = {image: workers.submit(stopped, small, image) for image in STOPPED}
            two, next_ = workers.submit(killed, small), workers.submit(orphaned, small)
        runs |= {image: run.result() for image, run in stopping.items()} | two.result()
        yield Outcomes(small, before, {**runs, "failing": failing.result(), "orphaned": next_.result()})


@pytest.mark.parametrize("image", FAILS)
def test_what_fails_says_why_in_a_sentence(outcomes: Outcomes, image: str) -> None:
    code, said = outcomes.runs["failing"]
    found = sentences(said)
    assert code != 0 and sorted(found) == sorted(FAILS), said
    assert re.fullmatch(f"Failed to bake image {image}: {FAILS[image]}", found[image]), found[image]


@pytest.mark.parametrize("image", [*FAILS, *STOPPED])
def test_the_last_good_image_stays_in_use(outcomes: Outcomes, image: str) -> None:
    assert outcomes.small.record(image).read_bytes() == outcomes.before
    assert docker("image", "inspect", json.loads(outcomes.before)["docker_id"])[0] == 0


def test_without_room_for_its_record_an_image_is_found_the_next_time(outcomes: Outcomes) -> None:
    code, said = outcomes.runs["unwritten"]
    assert code != 0 and re.fullmatch(f"Failed to record image good {UNWRITTEN}", sentences(said)["good"]), said
    code, said = outcomes.runs["written"]
    assert code == 0 and re.search(r"good [0-9a-f]{12}: unchanged", said), said


def test_apts_lock_is_waited_for(outcomes: Outcomes) -> None:
    assert "netbase" in json.loads(outcomes.small.record("patient").read_text())["packages"]


@pytest.mark.parametrize("image", STOPPED)
def test_a_signal_ends_it(outcomes: Outcomes, image: str) -> None:
    assert outcomes.runs[image][0] != 0


def test_after_a_kill_one_of_two_at_once_bakes_and_the_other_attaches(outcomes: Outcomes) -> None:
    codes, said = zip(*(outcomes.runs[run] for run in ("first", "second")), strict=True)
    both = "".join(said)
    assert codes == (0, 0), both
    assert len(re.findall("killed [0-9a-f]{12}: baked in", both)) == 1, both
    assert len(re.findall("killed [0-9a-f]{12}: baked by another run, for which this one waited", both)) == 1, both


def test_a_packer_whose_baker_was_killed_is_waited_for(outcomes: Outcomes) -> None:
    code, said = outcomes.runs["orphaned"]
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
