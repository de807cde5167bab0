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
UPDATE_ONCE = "apt-get update -o APT::Update::Error-Mode=any -o Acquire::Retries=0"
# A machine whose only source is the one given, and which asks it again and again; after each time it says what it knows, or apt's words.
UPDATE = """
cat >/key.asc && rm -f /etc/apt/sources.list.d/* && echo "deb [signed-by=/key.asc] $URL bookworm main" >/etc/apt/sources.list
last=
while [ -z "$last" ]; do
    [ ! -e /stop ] || last=1
    if said=$(UPDATE_ONCE 2>&1); then
        /usr/lib/apt/apt-helper cat-file /var/lib/apt/lists/*_Packages* | awk '/^(Package|Version):/ {printf "%s ", $2} END {print ""}'
    else
        echo "FAILED $said" | tr '\\n' ' ' && echo
    fi
    sleep 0.1
done
""".replace("UPDATE_ONCE", UPDATE_ONCE)


def docker(*words: str) -> str:
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def words(meant: list[str]) -> list[str]:
    """What a client's apt knows when it has read an index of these packages, in its order."""
    return [word for label in sorted(meant) for word in label.removesuffix("_all").split("_")]


def fresh(script: str, network: str = "bake") -> subprocess.CompletedProcess[str]:
    """Run a script in a fresh machine, by default on the network where images are baked."""
    command = ["docker", "run", "--rm", f"--label={checkout.label()}", f"--network={checkout.prefix()}-{network}"]
    command += [f"--volume={checkout.BUILD}/keys:/keys:ro", "twine/base:bookworm", "sh", "-c", script]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def only_ours(prefix: str = "") -> str:
    """What lets such a machine know our repository, and nothing else, wherever the base image has its own sources."""
    source = f"deb [signed-by=/keys/archive-keyring.asc] http://repository/{prefix} bookworm main"
    return f"rm -f /etc/apt/sources.list.d/* && echo '{source}' > /etc/apt/sources.list && {UPDATE_ONCE}"


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
    served = " ".join(f"/var/lib/aptly/public/{name}" for name in ("many", "killed", "disk", "upstream", "own"))
    agents = f"for home in {FOLDER}/gnupg {FOLDER}/own/.gnupg; do gpgconf --homedir $home --kill all 2>/dev/null; done"
    script = f"umount {FOLDER}/small 2>/dev/null; {agents}; rm -rf {FOLDER} {served}"
    docker("exec", MACHINE, "sh", "-c", script)
