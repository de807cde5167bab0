"""machine-config: configure, refresh, publish or stamp."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from twine_machine.configure import Paths, configure, publish, refresh
from twine_machine.errors import MachineError
from twine_machine.patience import Patience, say
from twine_machine.stages import Stages

USAGE = "machine-config configure | refresh | publish PARAMETER FILE | stamp STAGE"


def main(arguments: Sequence[str], paths: Paths | None = None) -> int:
    """Do what is asked; 0, 1 with a sentence, or 2 for a wrong question."""
    paths = paths or Paths()
    endpoint = os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT", "")
    try:
        patience = Patience(float(os.environ.get("MACHINE_PATIENCE", "120")))
        match list(arguments):
            case ["configure"]:
                _configure(paths, patience, endpoint)
            case ["refresh"]:
                changed = refresh(paths, patience, endpoint)
                say(f"changed: {', '.join(changed)}" if changed else "no secret has changed")
            case ["publish", parameter, file]:
                publish(paths, patience, endpoint, parameter, Path(file))
                say(f"published {parameter}")
            case ["stamp", stage]:
                _stamp(paths, stage)
            case _:
                say(f"Usage: {USAGE}")
                return 2
    except MachineError as error:
        say(str(error))
        return 1
    except OSError as error:
        say(f"Failed to {' '.join(arguments[:1])}: {error}. See whether the disk and /run have room.")
        return 1
    return 0


def _configure(paths: Paths, patience: Patience, endpoint: str) -> None:
    stages = Stages(paths.run / "boot.json")
    stages.reach("machine_config_begin")
    try:
        said = configure(paths, patience, endpoint, stages)
    except MachineError as error:
        stages.note(outcome="failed", error=str(error))
        raise
    else:
        stages.note(outcome="configured")
        say(said)
    finally:
        stages.reach("machine_config_end")
        stages.save()


def _stamp(paths: Paths, stage: str) -> None:
    stages = Stages(paths.run / "boot.json")
    stages.resume()
    stages.reach(stage)
    stages.save()
