"""P5: from the start of a baked machine to its first good answer, and whether the first request is as quick as any.

The machine is started as the local cloud starts one: a container of image twine with systemd and the strength of the application's instance
type. Its configuration lies in /etc/machine; PostgreSQL is another machine, Redis its own. The floor is the time that systemd itself says the
base image takes to boot, at the same strength.
"""

from __future__ import annotations

import http.client
import io
import json
import re
import statistics
import tarfile
import time
from functools import partial
from typing import NamedTuple

import yaml

from ansible_collections.twine.platform.plugins.module_utils._images.containers import SYSTEMD, wait_for_boot
from tests.benchmarks.machines import BASE, NETWORK, BenchmarkError, ask, clean, discard, in_turns, name_of, options, output, sh, start
from tests.benchmarks.rows import Row
from tools import checkout

TIMES = 5
STEADY = 24
# The first page comes to a machine at rest, whose processor must wake for it. It's held against pages that do so, too: against
# one that follows another at once, any page after a rest is three times as slow, the hundredth like the first. The row tells both.
PAUSE = 0.5
BUSY = 200
# A page that renders a template and asks Redis; who has not signed in sees it.
PAGE = "/login"
SECONDS = 60.0
# A balancer sends nobody before it has asked once more, this much later.
INTERVAL = 5.0
TYPE = "t3.small"
PASSWORD = "benchmark-database"
DATABASE = f"""
export DEBIAN_FRONTEND=noninteractive
apt-get -q update
apt-get -q -y install --no-install-recommends postgresql
cd /etc/postgresql/*/main
echo "listen_addresses = '*'" > conf.d/benchmark.conf
echo "host all all all scram-sha-256" >> pg_hba.conf
systemctl restart postgresql
runuser -u postgres -- psql -q -v ON_ERROR_STOP=1 -c "CREATE ROLE twine LOGIN PASSWORD '{PASSWORD}'" -c "CREATE DATABASE twine OWNER twine"
"""


class Pages(NamedTuple):
    """Seconds of the first page, and the medians of those after a rest and of those that follow one another at once."""

    first: float
    rested: float
    busy: float


def rows() -> list[Row]:
    """Measure boots of both in turns."""
    with clean():
        image = json.loads((checkout.BUILD / "images" / "twine.json").read_text())["docker_image"]
        files = configuration(start("database"))
        boot(image, files)
        pages: list[Pages] = []
        ours, bare = in_turns(TIMES, partial(boot, image, files, pages), systemd)
        mine, base = statistics.median(ours), statistics.median(bare)
        first, rested, busy = (1000 * statistics.median(found) for found in zip(*pages, strict=True))
        return [
            Row("P5 boot", f"start of image twine to the first good answer, {TYPE}", mine, base + 3.0, "s", f"systemd of the base: {base:.2f} s"),
            Row(
                "P5 first",
                f"first {PAGE}, {INTERVAL:.0f} s later, against the median of {STEADY} more, {PAUSE} s apart",
                statistics.median(page.first / page.rested for page in pages),
                1.2,
                "×",
                f"first {first:.1f} ms, after a rest {rested:.1f} ms, one right after the other {busy:.1f} ms",
            ),
        ]


def configuration(database: str) -> bytes:
    """Make the database; return what a machine that uses it has in /etc/machine, as a tar archive."""
    sh(database, DATABASE)
    environment = {
        "MACHINE_ROLE": "twine",
        "TWINE_ENVIRONMENT": "development",
        "TWINE_DATABASE_HOST": database,
        "TWINE_SESSION_REDIS_URL": "redis://127.0.0.1:6379/1",
    }
    contents = {
        "machine/machine.env": "".join(f"{key}={value}\n" for key, value in environment.items()),
        "machine/secrets/database": json.dumps({"username": "twine", "password": PASSWORD}),
        "machine/secrets/session_key": "0123456789abcdef" * 2,
    }
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name, content in contents.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o644
            tar.addfile(member, io.BytesIO(content.encode()))
    return archive.getvalue()


def _create(image: str) -> str:
    size = yaml.safe_load((checkout.ROOT / "local_cloud" / "instance_types.yml").read_text())[TYPE]
    strength = ("--cpus", str(size["cpus"]), "--memory", size["memory"])
    output(["docker", "create", *options("boot"), *SYSTEMD, *strength, "--entrypoint", "/sbin/init", image], f"create a machine of {image}")
    return name_of("boot")


def boot(image: str, files: bytes, pages: list[Pages] | None = None) -> float:
    """Seconds from the start of a machine to its first good answer; adds to `pages` what pages took after that."""
    name = _create(image)
    output(["docker", "cp", "-", f"{name}:/etc"], "configure a machine", files)
    began = time.monotonic()
    output(["docker", "start", name], "start a machine")
    asked = f'{{{{(index .NetworkSettings.Networks "{NETWORK}").IPAddress}}}}'
    address = output(["docker", "inspect", "--format", asked, name], "ask for a machine's address").decode().strip()
    while (answer := _get(address, "/ready")[0]) != 200:
        if time.monotonic() - began > SECONDS:
            raise BenchmarkError(f"Failed to boot {image}: no good answer in {SECONDS:.0f} s, the last was {answer}. See `docker logs {name}`.")
        time.sleep(0.01)
    seconds = time.monotonic() - began
    time.sleep(INTERVAL - PAUSE)
    first, *rested = [_page(address, PAUSE) for _request in range(STEADY + 1)]
    busy = [_page(address) for _request in range(BUSY)]
    if pages is not None:
        pages.append(Pages(first, statistics.median(rested), statistics.median(busy)))
    discard(name)
    return seconds


def _page(address: str, pause: float = 0) -> float:
    time.sleep(pause)
    status, seconds = _get(address, PAGE)
    if status != 200:
        raise BenchmarkError(f"Failed to measure requests: {PAGE} answered {status}. Ask it by hand.")
    return seconds


def _get(address: str, path: str) -> tuple[int, float]:
    """Status and seconds of one request; 0 where nobody answers."""
    began = time.monotonic()
    connection = http.client.HTTPConnection(address, timeout=5)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        return answer.status, time.monotonic() - began
    except (OSError, http.client.HTTPException):
        return 0, time.monotonic() - began
    finally:
        connection.close()


def systemd() -> float:
    """Seconds that systemd says the base image took to boot."""
    name = _create(BASE)
    output(["docker", "start", name], "start a machine")
    wait_for_boot(ask, name)
    said = sh(name, "systemd-analyze time").decode()
    discard(name)
    return seconds_of(said)


def seconds_of(said: str) -> float:
    """What systemd-analyze says, such as "Startup finished in 1min 2.345s (userspace)", in seconds.

    :raises BenchmarkError: if it says something else.
    """
    units = {"min": 60.0, "s": 1.0, "ms": 0.001}
    parts = re.findall(r"([\d.]+)(min|ms|s)\b", said.partition("\n")[0].partition("=")[0])
    if not parts:
        raise BenchmarkError(f"Failed to read what systemd-analyze says: {said.strip()[:100]}. See that the base image boots.")
    return sum(float(number) * units[unit] for number, unit in parts)
