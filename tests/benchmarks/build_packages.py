"""What `build_packages` costs when nothing is to be built, the play's own start included."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from tests.benchmarks.rows import Row

ROOT = Path(__file__).resolve().parents[2]
_COMMAND = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "inventories/local"]
_PATH = f"{Path(sys.executable).parent}{os.pathsep}{ROOT / 'build' / 'tools' / 'bin'}{os.pathsep}{os.environ['PATH']}"


TIMES = 3


def rows() -> list[Row]:
    """The playbook when every package is built; what ansible-playbook needs to start is part of it. Medians."""
    _seconds("playbooks/build_packages.yml")
    whole = median(_seconds("playbooks/build_packages.yml") for _time in range(TIMES))
    start = median(_seconds("--syntax-check", "playbooks/build_packages.yml") for _time in range(TIMES))
    return [Row("build no-op", "build_packages with nothing to build", whole, 3.0, "s", f"ansible-playbook's own start: {start:.2f} s")]


def _seconds(*words: str) -> float:
    began = time.monotonic()
    done = subprocess.run([*_COMMAND, *words], cwd=ROOT, env={**os.environ, "PATH": _PATH}, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"Failed to measure {words[-1]}: {done.stdout[-2000:]} Run it by hand.")
    return time.monotonic() - began
