"""Processes without Ansible: a runner for what module_utils/_packages does, where a test or a benchmark is no module."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence

from ansible_collections.twine.platform.plugins.module_utils._packages.runner import Result


def run(args: Sequence[str], *, data: bytes | None = None, environment: Mapping[str, str] | None = None, seconds: float = 600) -> Result:
    """Runs the real thing; only that it changes no user, which takes root."""
    if args[0] == "runuser":
        args = args[list(args).index("--") + 1 :]
    chosen = dict(environment) if environment else None
    done = subprocess.run(args, input=data, capture_output=True, env=chosen, timeout=seconds, check=False)
    return Result(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))
