"""P1: all roles of the application's machine, converged on a booted container as Molecule does, against the same end by plain shell.

The machine is the one of Molecule's scenario `twine`: database, cache, web server, application and search, started and checked. The floor
is floor.py's. Both begin with the base image's booted container and end when the application says that it reaches all it needs.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from functools import partial
from pathlib import Path

from tests.benchmarks import floor
from tests.benchmarks.machines import BenchmarkError, clean, discard, in_turns, sh, start, timed
from tests.benchmarks.rows import Row
from tools import checkout, work

TIMES = 3
BAR = 1.5
HOST = "molecule-twine"
INVENTORIES = (checkout.ROOT / "molecule" / "inventory" / "twine.yml", checkout.BUILD / "bench" / "machine.ini")
PLAYBOOK = Path(sys.executable).with_name("ansible-playbook")
# As the role postgresql makes it; the passwords are Molecule's own.
DATABASE = r"""
systemctl daemon-reload
systemctl start postgresql
runuser -u postgres -- psql -q -v ON_ERROR_STOP=1 <<'SQL'
SET password_encryption = 'scram-sha-256';
CREATE ROLE twine LOGIN PASSWORD 'molecule-database';
CREATE DATABASE twine OWNER twine ENCODING 'UTF8';
REVOKE ALL ON DATABASE twine FROM PUBLIC;
CREATE ROLE twine_application LOGIN PASSWORD 'molecule-application';
GRANT CONNECT ON DATABASE twine TO twine_application;
\c twine
ALTER DEFAULT PRIVILEGES FOR ROLE twine GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO twine_application;
ALTER DEFAULT PRIVILEGES FOR ROLE twine GRANT USAGE, SELECT ON SEQUENCES TO twine_application;
SQL
"""
START = r"""
systemctl restart systemd-journald ssh
systemctl start redis-server nginx elasticsearch twine twine-worker
until runuser -u twine -- twine check > /dev/null; do sleep 0.2; done
"""


def rows() -> list[Row]:
    """Measure both in turns; the first round also says what the floor copies, and sees that it comes to the same end."""
    with clean():
        first, first_plain, made = _first()
        ours, plain = in_turns(TIMES - 1, partial(_ours, "ours"), partial(_floor, made))
        mine, bare = statistics.median([first, *ours]), statistics.median([first_plain, *plain])
        return [Row("P1", f"application machine converged in {mine:.1f} s", mine / bare, BAR, "×", f"plain shell: {bare:.1f} s")]


def _first() -> tuple[float, float, floor.Recipe]:
    base, made, plain = (start(name) for name in ("base", "made", "plain"))
    ours = timed(partial(converge, "made"))
    found = floor.recipe(partial(sh, base), partial(sh, made))
    bare = timed(partial(by_shell, "plain", found))
    if wrong := floor.differences(floor.state(partial(sh, made)), floor.state(partial(sh, plain))):
        raise BenchmarkError(
            f"Failed to compare converging with the floor: they end differently, {'; '.join(wrong[:5])}. Mend tests/benchmarks/floor.py."
        )
    for name in (base, made, plain):
        discard(name)
    return ours, bare, found


def _ours(name: str) -> float:
    container = start(name)
    seconds = timed(partial(converge, name))
    discard(container)
    return seconds


def _floor(made: floor.Recipe) -> float:
    container = start("floor")
    seconds = timed(partial(by_shell, "floor", made))
    discard(container)
    return seconds


def converge(name: str) -> None:
    """What `molecule converge` runs, without Molecule's own start."""
    work.replace_text(INVENTORIES[1], f"{HOST} ansible_host={checkout.prefix()}-bench-{name}\n")
    play("playbooks/configure_machine.yml", INVENTORIES)


def play(name: str, inventories: tuple[Path, ...], *more: str, **settings: str) -> None:
    """Run a playbook of the checkout, its output in build/bench."""
    path = f"{PLAYBOOK.parent}{os.pathsep}{checkout.BINARIES}{os.pathsep}{os.environ['PATH']}"
    command = [str(PLAYBOOK), *(word for file in inventories for word in ("-i", str(file))), *more, name]
    log = checkout.BUILD / "bench" / f"{Path(name).stem}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a") as output:
        environment = {**os.environ, "PATH": path, **settings}
        done = subprocess.run(command, cwd=checkout.ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        raise BenchmarkError(f"Failed to measure {name}: ansible-playbook ended with {done.returncode}. Read {log}.")


def by_shell(name: str, made: floor.Recipe) -> None:
    """The same by hand: two calls, because two archives come by standard input."""
    container = f"{checkout.prefix()}-bench-{name}"
    sh(container, floor.install(made), made.early)
    sh(container, floor.configure(made) + DATABASE + START, made.files)
