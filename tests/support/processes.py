"""Processes without Ansible: a runner for what module_utils/_packages does, where a test or a benchmark is no module."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from ansible_collections.twine.platform.plugins.module_utils._packages.runner import Result


def run(
    args: Sequence[str],
    *,
    text: str | None = None,
    source: Path | None = None,
    sink: Path | None = None,
    log: Path | None = None,
    environment: Mapping[str, str] | None = None,
    seconds: float = 600,
) -> Result:
    """Runs the real thing; only that it changes no user, which takes root."""
    if args[0] == "runuser":
        args = args[list(args).index("--") + 1 :]
    chosen = dict(environment) if environment else None
    done = subprocess.run(args, input=text, capture_output=True, text=True, env=chosen, timeout=seconds, check=False)
    return Result(done.returncode, done.stdout, done.stderr)
