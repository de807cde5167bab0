"""Bakes that go wrong, with real Packer on real containers: each says why in a sentence, nothing of it is left, the last image stays in use."""

from __future__ import annotations

import fcntl
import json
import os
import re
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
# A name that nobody resolves is waited for 10 s, and asked for four times.
HASTE: list[dict[str, object]] = [
    {
        "name": "Ask for a name once",
        "ansible.builtin.lineinfile": {"path": "/etc/resolv.conf", "line": "options timeout:1 attempts:1", "unsafe_writes": True},
    },
    {
        "name": "Ask for a package once",
        "ansible.builtin.copy": {"content": 'Acquire::Retries "0";\n', "dest": "/etc/apt/apt.conf.d/90hasty", "mode": "0644"},
    },
]
CUT = on_host("Take the repository away", "docker", "network", "disconnect", "{{ network }}", "{{ ansible_host }}")
TASKS: dict[str, list[dict[str, object]]] = {
    "good": [FACTS, locked(6), role("apt"), role("install")],
    "interrupted": HOLD,
    "terminated": HOLD,
    "killed": HOLD,
    "locked": [locked(300), role("install", common_apt_lock_timeout=2, common_repository_packages=[])],
    "away": [FACTS, role("apt"), *HASTE, CUT, role("install")],
    "half": [
        {"name": "Write one file", "ansible.builtin.copy": {"content": "one\n", "dest": "/etc/one", "mode": "0644"}},
        {"name": "Make an account of a group that is not there", "ansible.builtin.user": {"name": "one", "group": "nobodys"}},
    ],
    "unsealed": [
        {"name": "Have a folder", "ansible.builtin.file": {"path": "/etc/machine", "state": "directory", "mode": "0755"}},
        {"name": "Leave a secret", "ansible.builtin.copy": {"content": "x\n", "dest": "/etc/machine/machine.env", "mode": "0600"}},
    ],
    "full": [
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
        role("install", common_repository_packages=[]),
    ],
}
FAILS = {
    "locked": r"task 'common : Install packages': .*dpkg.*lock-frontend.*holds apt's lock: wait for its end or stop it, then bake again\.",
    "away": r"task 'common : Install packages': .*twine-archive-keyring.*The package repository does not answer: .*, then bake again\.",
    "half": r"task 'Make an account of a group that is not there': Group nobodys does not exist\. Read .*half\.log, mend what .*, then bake again\.",
    "unsealed": r"Failed to seal the image: these do not belong into it.*/etc/machine/machine\.env.*\.",
    "full": r"task 'common : Install packages': .*enough free space in /dev/shm/archives.*\. Free space where Docker keeps its data.*bake again\.",
}
STOPPED = {"interrupted": signal.SIGINT, "terminated": signal.SIGTERM}
UNWRITTEN = r"[0-9a-f]{12} in .*good\.json: No space left on device\. The image before it stays in use; free space .* finds this one\."
# Those of which there is an image in the end.
BAKED = ("good", "killed")


@dataclass
class Outcomes:
    """What became of every bake, by what it was: exit code and what was said; and the record that stood for each image before."""

    small: Small
    before: dict[str, bytes]
    runs: dict[str, tuple[int, str]]


def stopped(small: Small, image: str) -> tuple[int, str]:
    """A bake that a signal ends, when all is gone: Ctrl-C goes to the playbook, SIGTERM to the module."""
    process = small.play(image) if STOPPED[image] == signal.SIGINT else small.start(image)
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
        for image in (*FAILS, *STOPPED):
            small.record(image).write_text(json.dumps({"role": image, "bake_key": "0" * 12, "docker_id": "0" * 64, "inputs": {"before": "1"}}))
        before = {image: small.record(image).read_bytes() for image in (*FAILS, *STOPPED)}
        with ThreadPoolExecutor() as workers:
            failing = workers.submit(small.bake, *FAILS)
            stopping = {image: workers.submit(stopped, small, image) for image in STOPPED}
            two, good = workers.submit(killed, small), workers.submit(unwritten, small)
        runs = {image: run.result() for image, run in stopping.items()} | two.result() | good.result()
        yield Outcomes(small, before, {**runs, "failing": failing.result()})


@pytest.mark.parametrize("image", FAILS)
def test_what_fails_says_why_in_a_sentence(outcomes: Outcomes, image: str) -> None:
    code, said = outcomes.runs["failing"]
    found = sentences(said)
    assert code != 0 and sorted(found) == sorted(FAILS), said
    assert re.fullmatch(f"Failed to bake image {image}: {FAILS[image]}", found[image]), found[image]


@pytest.mark.parametrize("image", [*FAILS, *STOPPED])
def test_the_last_good_image_stays_in_use(outcomes: Outcomes, image: str) -> None:
    assert outcomes.small.record(image).read_bytes() == outcomes.before[image]


def test_without_room_for_its_record_an_image_is_found_the_next_time(outcomes: Outcomes) -> None:
    code, said = outcomes.runs["unwritten"]
    assert code != 0 and re.fullmatch(f"Failed to record image good {UNWRITTEN}", sentences(said)["good"]), said
    code, said = outcomes.runs["written"]
    assert code == 0 and re.search(r"good [0-9a-f]{12}: unchanged", said), said


def test_apts_lock_is_waited_for(outcomes: Outcomes) -> None:
    assert "netbase" in json.loads(outcomes.small.record("good").read_text())["packages"]


@pytest.mark.parametrize("image", STOPPED)
def test_a_signal_ends_it(outcomes: Outcomes, image: str) -> None:
    assert outcomes.runs[image][0] != 0


def test_after_a_kill_one_of_two_at_once_bakes_and_the_other_attaches(outcomes: Outcomes) -> None:
    codes, said = zip(*(outcomes.runs[run] for run in ("first", "second")), strict=True)
    both = "".join(said)
    assert codes == (0, 0), both
    assert len(re.findall("killed [0-9a-f]{12}: baked in", both)) == 1, both
    assert len(re.findall("killed [0-9a-f]{12}: baked by another run, for which this one waited", both)) == 1, both


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
