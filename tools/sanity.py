"""`ansible-test sanity` on a copy of the checkout, with its caches in build/ and pip from Python itself."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tools import checkout, source

HOME = checkout.BUILD / "lint" / "home"

# ansible-test would download get-pip.py from a host of its own. Python carries pip already; these two options went with setuptools.
GET_PIP = """import ensurepip
import runpy
import sys

ensurepip.bootstrap()
sys.argv = ["pip", "install", *(word for word in sys.argv[1:] if word not in ("--no-setuptools", "--no-wheel"))]
runpy.run_module("pip", run_name="__main__", alter_sys=True)
"""


def _place_get_pip() -> None:
    import ansible_test._internal as internal

    text = (Path(internal.__path__[0]) / "python_requirements.py").read_text()
    version = re.search(r"pip='([\d.]+)'", text)
    if not version:
        raise SystemExit("Failed to prepare ansible-test: it no longer names its pip version. Look at python_requirements.py there.")
    shim = HOME / ".ansible" / "test" / "cache" / f"get_pip_{version[1].replace('.', '_')}.py"
    shim.parent.mkdir(parents=True, exist_ok=True)
    shim.write_text(GET_PIP)


def main(arguments: list[str]) -> int:
    """Copy the checkout, and run all sanity tests or the ones named (for example `--test pep8`)."""
    _place_get_pip()
    folder = source.copy(checkout.BUILD / "sanity")
    # A repository of its own: ansible-test asks git for the files, and the checkout's own git ignores build/.
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    environment = {**os.environ, "HOME": str(HOME), "PIP_CACHE_DIR": _pip_cache()}
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    program = Path(sys.executable).parent / "ansible-test"
    command = [str(program), "sanity", "--color", "no", "--python", version, *arguments]
    done = subprocess.run(
        command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    print(done.stdout, end="")
    # It ends with success when it finds nothing to look at.
    return done.returncode or ("All targets skipped" in done.stdout)


def _pip_cache() -> str:
    answer = subprocess.run([sys.executable, "-m", "pip", "cache", "dir"], capture_output=True, text=True, check=False)
    return answer.stdout.strip() or str(checkout.BUILD / "lint" / "pip")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
