"""The repository's machine, and inside.py on it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tools import checkout

MACHINE = f"{checkout.prefix()}-repository"
FOLDER = "/srv/faults"
LIBRARY = f"{FOLDER}/lib"
CORE = "ansible_collections/twine/platform/plugins/module_utils/_packages"
DISK_MEGABYTES = 16
# A machine whose only source is the one given, and which asks it again and again; after each time it says what it knows, or apt's words.
UPDATE = """
cat >/key.asc && rm -f /etc/apt/sources.list.d/* && echo "deb [signed-by=/key.asc] $URL bookworm main" >/etc/apt/sources.list
last=
while [ -z "$last" ]; do
    [ ! -e /stop ] || last=1
    if said=$(apt-get update -o APT::Update::Error-Mode=any -o Acquire::Retries=0 2>&1); then
        /usr/lib/apt/apt-helper cat-file /var/lib/apt/lists/*_Packages* | awk '/^(Package|Version):/ {printf "%s ", $2} END {print ""}'
    else
        echo "FAILED $said" | tr '\\n' ' ' && echo
    fi
    sleep 0.1
done
"""


def docker(*words: str) -> str:
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@contextmanager
def updating(root: str, key: str) -> Iterator[list[list[str]]]:
    """One client that updates all the time, on another machine, until the block ends; then the list has what it knew after each update.

    The first is seen before the block begins.
    """
    name, url = f"{checkout.prefix()}-updating", f"http://repository/{Path(root).name}"
    words = ["docker", "run", "--rm", "--interactive", f"--name={name}", f"--label={checkout.label()}", f"--network={checkout.prefix()}-build"]
    words += [f"--env=URL={url}", "twine/base:bookworm", "sh", "-c", UPDATE]
    seen: list[list[str]] = []
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as client:
        assert client.stdin and client.stdout
        client.stdin.write(key)
        client.stdin.close()
        try:
            seen.append(client.stdout.readline().split())
            yield seen
        finally:
            docker("exec", name, "touch", "/stop")
            seen += [line.split() for line in client.stdout]


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
    served = " ".join(f"/var/lib/aptly/public/{name}" for name in ("many", "killed", "disk", "upstream"))
    script = f"umount {FOLDER}/small 2>/dev/null; gpgconf --homedir {FOLDER}/gnupg --kill all 2>/dev/null; rm -rf {FOLDER} {served}"
    docker("exec", MACHINE, "sh", "-c", script)
