"""P1 peer: our roles for Redis and nginx against public ones of the same job, those of DebOps, which PyPI carries.

The subset that both have: Redis and nginx, from the same packages of Debian, installed, configured, enabled and running on a booted machine.
DebOps' playbooks add a firewall, services' names and more round these roles; here the two roles run alone, as ours do.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from functools import partial
from pathlib import Path

from tests.benchmarks.converge import play
from tests.benchmarks.machines import BenchmarkError, clean, discard, in_turns, output, sh, start, timed
from tests.benchmarks.rows import Row
from tools import checkout, work

TIMES = 3
BAR = 2.0
FOLDER = checkout.BUILD / "bench" / "debops"
COLLECTIONS = FOLDER / "debops" / "_data" / "ansible" / "collections"
# Apart from the set-up's own path, which finds our collection: DebOps' roles read facts as variables, and have conditions that are texts.
SETTINGS = {
    "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
    "ANSIBLE_INJECT_FACT_VARS": "True",
    "ANSIBLE_ALLOW_BROKEN_CONDITIONALS": "True",
    "PYTHONPATH": str(FOLDER),
}
PREPARE = """
echo 'APT::Install-Recommends "false";' > /etc/apt/apt.conf.d/80benchmark
apt-get -q update
"""
# DebOps sets a password: to be asked for it is an answer, too.
RUNNING = "systemctl is-active nginx && systemctl is-enabled nginx && nginx -t -q && redis-cli ping | grep -E 'PONG|NOAUTH'"
PLAYS: dict[str, dict[str, object]] = {
    "ours": {"roles": ["twine.platform.redis", "twine.platform.nginx"]},
    "debops": {
        "roles": ["debops.debops.redis_server", "debops.debops.nginx"],
        "vars": {
            "redis_server__base_packages": ["redis-server"],
            # A container's network may have no IPv6.
            "redis_server__bind": ["127.0.0.1"],
            "nginx__flavor_packages": ["nginx"],
            "secret": str(FOLDER / "secret"),
        },
    },
}


def rows() -> list[Row]:
    """Measure both in turns."""
    _install()
    with clean():
        ours, theirs = in_turns(TIMES, *(partial(_converge, name) for name in PLAYS))
        mine, public = statistics.median(ours), statistics.median(theirs)
        what = f"Redis and nginx converged in {mine:.1f} s, so many times faster than public roles"
        return [Row("P1 peer", what, public / mine, BAR, "×", f"DebOps: {public:.1f} s", least=True)]


def _install() -> None:
    if COLLECTIONS.is_dir() and (FOLDER / "netaddr").is_dir():
        return
    list_ = Path(__file__).with_name("peer.txt")
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--require-hashes",
        "--target",
        str(FOLDER),
        "--requirement",
        str(list_),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode or not COLLECTIONS.is_dir():
        raise BenchmarkError(f"Failed to install the roles to measure against: {done.stderr.strip()[-300:]}. Check that pip reaches PyPI.")


def _converge(name: str) -> float:
    """Seconds of one play on a fresh machine."""
    container = start(name)
    sh(container, PREPARE)
    place = checkout.BUILD / "bench"
    work.replace_text(place / f"{name}.json", json.dumps([{"hosts": "all", **PLAYS[name]}]))
    work.replace_text(place / f"{name}.ini", f"{name} ansible_connection=community.docker.docker ansible_host={container}\n")
    seconds = timed(partial(play, str(place / f"{name}.json"), (place / f"{name}.ini",), **SETTINGS))
    output(["docker", "exec", container, "sh", "-euc", RUNNING], f"see Redis and nginx run on {name}")
    discard(container)
    return seconds
