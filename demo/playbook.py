"""Runs the very playbooks a person runs, quietly: their output goes to a log, its tail is shown only when one fails."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
INVENTORY = "inventories/local"
TAIL_LINES = 40


class StepFailed(RuntimeError):
    """A step could not be done; the message says what, why and what to do."""


class Playbooks:
    """Runs playbooks of this collection on the local estate; ``logs`` is the folder that takes their output."""

    def __init__(self, logs: Path, environment: Mapping[str, str]) -> None:
        self.logs = logs
        self._environment = {**os.environ, **environment, "ANSIBLE_FORCE_COLOR": "0", "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
        self._number = 0
        logs.mkdir(parents=True, exist_ok=True)

    def run(self, name: str, **variables: Any) -> str:
        """Runs ``playbooks/<name>.yml`` with ``variables`` and returns its output.

        :raises StepFailed: if it fails; the message holds the end of its output and the path of the log.
        """
        self._number += 1
        log = self.logs / f"{self._number:02d}-{name}.log"
        command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", INVENTORY, f"playbooks/{name}.yml"]
        if variables:
            command += ["--extra-vars", json.dumps(variables)]
        with log.open("w") as out:
            done = subprocess.run(
                command, cwd=ROOT, env=self._environment, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, check=False
            )
        text = log.read_text(errors="replace")
        if done.returncode:
            tail = "\n".join(text.splitlines()[-TAIL_LINES:])
            raise StepFailed(f"Failed to run {name}.yml: it ended with {done.returncode}. Read {log.relative_to(ROOT)}; it ends:\n{tail}")
        return text


def load_json(path: Path) -> dict[str, Any]:
    """The object in the JSON file ``path``.

    :raises StepFailed: if there is no such file or it holds something else.
    """
    try:
        data = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise StepFailed(f"Failed to read {path.name}: {error}. Run the step that writes it again.") from None
    if not isinstance(data, dict):
        raise StepFailed(f"Failed to read {path.name}: it holds no object. Remove it and run the step that writes it again.")
    return data
