"""The repository in trouble, on its own machine: whatever happens to publishers, clients see one whole index after the other."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tools import checkout

MACHINE = f"{checkout.prefix()}-repository"
FOLDER = "/srv/faults"
LIBRARY = f"{FOLDER}/lib"
CORE = "ansible_collections/twine/platform/plugins/module_utils/_packages"
DISK_MEGABYTES = 16


def docker(*words: str) -> str:
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def start(*words: str) -> subprocess.Popen[str]:
    """Start inside.py on the machine."""
    command = ["docker", "exec", f"--env=PYTHONPATH={LIBRARY}", MACHINE, "python3", f"{FOLDER}/inside.py", *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def answer(process: subprocess.Popen[str]) -> Any:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err[-2000:]
    return json.loads(out)


def inside(*words: str) -> Any:
    return answer(start(*words))


@pytest.fixture(scope="module")
def machine() -> Iterator[None]:
    """The repository's machine, started where it is not, with a folder for these tests, a small disk in it, and our code."""
    running = subprocess.run(["docker", "inspect", "--format", "{{.State.Running}}", MACHINE], capture_output=True, text=True, check=False)
    if running.stdout.strip() != "true":
        playbook = [Path(sys.executable).parent / "ansible-playbook", "-i", "inventories/local", "playbooks/repository.yml"]
        done = subprocess.run(playbook, cwd=checkout.ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-2000:]
    clean()
    docker("exec", MACHINE, "mkdir", "--parents", f"{LIBRARY}/{Path(CORE).parent}", f"{LIBRARY}/tests", f"{FOLDER}/small")
    docker("exec", MACHINE, "mount", "-t", "tmpfs", "-o", f"size={DISK_MEGABYTES}m,mode=0755", "tmpfs", f"{FOLDER}/small")
    docker("cp", f"{checkout.ROOT}/plugins/module_utils/_packages", f"{MACHINE}:{LIBRARY}/{CORE}")
    docker("cp", f"{checkout.ROOT}/tests/support", f"{MACHINE}:{LIBRARY}/tests/support")
    docker("cp", f"{Path(__file__).parent}/inside.py", f"{MACHINE}:{FOLDER}/inside.py")
    yield
    clean()


def clean() -> None:
    """Take away what the tests, or an interrupted run of them, left on the machine."""
    served = " ".join(f"/var/lib/aptly/public/{name}" for name in ("many", "killed", "disk"))
    script = f"umount {FOLDER}/small 2>/dev/null; gpgconf --homedir {FOLDER}/gnupg --kill all 2>/dev/null; rm -rf {FOLDER} {served}"
    docker("exec", MACHINE, "sh", "-c", script)


def test_eight_publishers_at_once_lose_nothing_and_a_client_sees_no_error(machine: None) -> None:
    """All succeed and wait for one another; at each moment a client sees exactly what one of them meant."""
    root = f"{FOLDER}/many"
    inside("prepare", root)
    first = inside("publish", root, "base=1.0")
    client = start("read-on", root)
    published = [answer(one) for one in [start("publish", root, "base=1.0", f"package-{number}=1.0") for number in range(8)]]
    docker("exec", MACHINE, "touch", f"{FOLDER}/stop")
    seen = answer(client)
    assert [one for one in published if "error" in one] == []
    assert any(one["waited_for"].startswith("process ") for one in published)
    meant = [first["meant"], *(one["meant"] for one in published)]
    assert len(seen) > 3
    assert [one for one in seen if one.get("seen") not in meant] == []
    assert inside("read", root)["seen"] in meant
    # Each of them can be shown again: nothing that was added is lost.
    for one in published:
        again = inside("publish", root, *(label.removesuffix("_all").replace("_", "=") for label in one["meant"]))
        assert again["snapshot"] == one["snapshot"]
        assert inside("read", root)["seen"] == one["meant"]


def test_a_killed_publisher_leaves_a_whole_index_and_the_next_run_repairs(machine: None) -> None:
    """Killed early, in the middle and late: clients see the former packages or the new ones."""
    root = f"{FOLDER}/killed"
    inside("prepare", root)
    inside("publish", root, "killed=1.0")
    told = inside("kill-at", root, "0", "0.1", "0.2", "0.3", "0.45", "0.6")
    assert any(one["killed"] for one in told)
    for one in told:
        assert one["after"].get("seen") in (one["before"]["seen"], one["again"].get("meant")), one
        assert one["end"].get("seen") == one["again"].get("meant"), one


def test_a_full_disk_is_told_and_clients_see_the_former_index(machine: None) -> None:
    """Whether there is no room for anything, or only none for the index."""
    root = f"{FOLDER}/small/disk"
    inside("prepare", root)
    assert "error" not in inside("publish", root, "large=1.0:300")
    told = inside("fill", root, "4", "8", "12", "16", "24")
    assert any("no space left on device" in one["refused"].get("error", "") for one in told)
    for one in told:
        assert one["after"] in (one["before"], {"seen": one["refused"].get("meant")}), one
        assert one["end"].get("seen") == one["again"].get("meant"), one
