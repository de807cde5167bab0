"""machine-config: configure, refresh, publish or stamp.

Each command imports what it needs when it needs it: HTTP alone would double the time of those that do without.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from twine_machine.errors import MachineError
from twine_machine.paths import Paths
from twine_machine.patience import Patience, say
from twine_machine.stages import Stages

USAGE = "machine-config configure | refresh | publish PARAMETER FILE | stamp STAGE"


def main(arguments: Sequence[str], paths: Paths | None = None) -> int:
    """Do what is asked; 0, 1 with a sentence, or 2 for a wrong question."""
    paths = paths or Paths()
    try:
        match list(arguments):
            case ["configure"]:
                _configure(paths)
            case ["refresh"]:
                _refresh(paths)
            case ["publish", parameter, file]:
                _publish(paths, parameter, Path(file))
            case ["stamp", stage]:
                _stamp(paths, stage)
            case _:
                say(f"Usage: {USAGE}")
                return 2
    except MachineError as error:
        say(str(error))
        return 1
    except OSError as error:
        say(f"Failed to {arguments[0]}: {error}. See whether the disk and /run have room.")
        return 1
    return 0


def _endpoint() -> str:
    return os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT", "")


def _patience() -> Patience:
    return Patience(float(os.environ.get("MACHINE_PATIENCE", "120")))


def _configure(paths: Paths) -> None:
    stages = Stages(paths.run / "boot.json")
    stages.reach("machine_config_begin")
    source = "file" if paths.own.is_file() else "metadata"
    stages.note(source=source)
    try:
        said = _from_file(paths) if source == "file" else _from_metadata(paths, stages)
    except MachineError as error:
        stages.note(outcome="failed", error=str(error))
        raise
    else:
        stages.note(outcome="configured")
        say(said)
    finally:
        stages.reach("machine_config_end")
        stages.save()


def _from_file(paths: Paths) -> str:
    from twine_machine import from_files

    return from_files.configure(paths)


def _from_metadata(paths: Paths, stages: Stages) -> str:
    from twine_machine import from_metadata

    return from_metadata.configure(paths, _patience(), _endpoint(), stages)


def _refresh(paths: Paths) -> None:
    if paths.own.is_file():
        say(f"no secret is fetched: this machine is configured from {paths.own}")
        return
    from twine_machine import from_metadata

    changed = from_metadata.refresh(paths, _patience(), _endpoint())
    say(f"changed: {', '.join(changed)}" if changed else "no secret has changed")


def _publish(paths: Paths, parameter: str, file: Path) -> None:
    from twine_machine import from_metadata

    from_metadata.publish(paths, _patience(), _endpoint(), parameter, file)
    say(f"published {parameter}")


def _stamp(paths: Paths, stage: str) -> None:
    stages = Stages(paths.run / "boot.json")
    stages.resume()
    stages.reach(stage)
    stages.save()
