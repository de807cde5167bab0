"""`make molecule`: every scenario in Docker, two at a time; the containers go away however it ends."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

from tools import checkout, remove

LOG = checkout.BUILD / "molecule.log"
# Molecule remembers here what it created and prepared; nothing of an interrupted run may be believed.
STATE = checkout.BUILD / "molecule"
SCRIPTS = Path(sys.executable).parent
TAIL = 120
# They take longest, so they begin first: whichever began last would keep one core waiting for it.
LONGEST = ("twine", "elasticsearch")
# Makes and removes the containers of all others, by itself.
SHARED = "default"
# Molecule's own lines, such as "INFO  [redis > converge] Executed: Successful"; all else is in the log.
STEP = re.compile(r"\[(?P<scenario>[\w-]+) > (?P<action>[\w-]+)\] Executed: (?P<outcome>\w+)")


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def scenarios() -> list[str]:
    """Return the names of all scenarios in the order in which they begin."""
    names = sorted(path.parent.name for path in (checkout.ROOT / "molecule").glob("*/molecule.yml") if path.parent.name != SHARED)
    return sorted(names, key=lambda name: LONGEST.index(name) if name in LONGEST else len(LONGEST))


def command(arguments: list[str]) -> list[str]:
    """Return Molecule's command line: all scenarios by two workers, or the ones named (one scenario needs no workers)."""
    chosen = [word for name in arguments or scenarios() for word in ("--scenario-name", name)]
    # Without -v a failing verification of a worker says nothing.
    return [str(SCRIPTS / "molecule"), "-v", "test", *chosen, *([] if arguments else ["--workers", "2"])]


def run(arguments: list[str]) -> int:
    """Run scenarios with their output in build/molecule.log, and print a line for each that failed or passed its verification."""
    shutil.rmtree(STATE, ignore_errors=True)
    STATE.mkdir(parents=True)
    path = f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "NO_COLOR": "1", "PY_COLORS": "0", "MOLECULE_EPHEMERAL_DIRECTORY": str(STATE)}
    began = time.monotonic()
    with LOG.open("w") as log:
        molecule = subprocess.Popen(
            command(arguments),
            cwd=checkout.ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert molecule.stdout is not None
        try:
            for line in molecule.stdout:
                log.write(line)
                step = STEP.search(line)
                if step and (step["outcome"] != "Successful" or step["action"] == "verify"):
                    print(f"  {time.monotonic() - began:6.1f} s  {step['scenario']:<16} {step['action']}: {step['outcome']}", flush=True)
        finally:
            if molecule.poll() is None:
                molecule.terminate()
            code = molecule.wait()
    if code:
        print("\n".join(LOG.read_text(errors="replace").splitlines()[-TAIL:]))
        print(f"Failed to converge or verify a scenario: see above. All of it is in {LOG.relative_to(checkout.ROOT)}.", file=sys.stderr)
    return code


def main(arguments: list[str]) -> int:
    """Run scenarios and remove their containers."""
    signal.signal(signal.SIGTERM, _stop)
    try:
        return run(arguments)
    except KeyboardInterrupt:
        return 130
    finally:
        remove.main(["--only", "twine.role=molecule", "--quiet"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
