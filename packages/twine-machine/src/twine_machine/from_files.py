"""A machine whose configuration and secrets were put into /etc/machine: a development box, a container."""

from __future__ import annotations

from twine_machine import environment
from twine_machine.errors import MachineError
from twine_machine.paths import Paths
from twine_machine.wanted import wanted


def configure(paths: Paths) -> str:
    """Check the configuration, which stays where it is; returns what to say about it."""
    values = environment.parse(paths.own.read_text(encoding="utf-8"), str(paths.own))
    for item in wanted(values):
        raise MachineError(
            f"Failed to configure from {paths.own}: {item.key} names something in AWS. "
            f"Take the line out and write the secret itself to {paths.own.parent / 'secrets' / item.file}."
        )
    return f"configured from {paths.own}"
