"""What `build_packages` costs when nothing is to be built, the play's own start included."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[2]
BAR_SECONDS = 3.0
_COMMAND = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "inventories/local"]
_PATH = f"{Path(sys.executable).parent}{os.pathsep}{ROOT / 'build' / 'tools' / 'bin'}{os.pathsep}{os.environ['PATH']}"


def no_op(runs: int = 3) -> dict[str, float]:
    """Medians in seconds: of the playbook when every package is built, and of ansible-playbook's own start, which it contains."""
    _seconds("playbooks/build_packages.yml")
    whole = median(_seconds("playbooks/build_packages.yml") for _run in range(runs))
    start = median(_seconds("--syntax-check", "playbooks/build_packages.yml") for _run in range(runs))
    return {"seconds": whole, "of them to start": start}


def _seconds(*words: str) -> float:
    began = time.monotonic()
    done = subprocess.run([*_COMMAND, *words], cwd=ROOT, env={**os.environ, "PATH": _PATH}, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"Failed to measure {words[-1]}: {done.stdout[-2000:]} Run it by hand.")
    return time.monotonic() - began


if __name__ == "__main__":
    print(" ".join(f"{name}: {seconds:.2f}" for name, seconds in no_op().items()), f"(bar {BAR_SECONDS:.0f} s)")
