"""machine-config: configure, refresh, publish, observe, read ahead or show the stages.

Each command imports what it needs when it needs it: HTTP alone would double the time of those that do without.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from twine_machine.errors import MachineError
from twine_machine.paths import Paths
from twine_machine.patience import Patience, say
from twine_machine.stages import Stages

USAGE = "machine-config configure | refresh | publish PARAMETER FILE | observe | read-ahead | stages"


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
            case ["observe"]:
                _observe(paths)
            case ["read-ahead"]:
                _read_ahead(paths)
            case ["stages"]:
                _show(paths)
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
    except (MachineError, OSError) as error:
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
    # Before the secrets are fetched: who asks from now on is not content with these.
    for ask in paths.asks.iterdir() if paths.asks.is_dir() else ():
        ask.unlink(missing_ok=True)
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


def _observe(paths: Paths) -> None:
    from twine_machine import observe

    stages = Stages(paths.run / "boot.json")
    stages.resume()
    stages.reach("started")
    try:
        if stages.failed:
            say("not configured, so nothing is asked of this machine")
        else:
            say(observe.observe(stages, observe.probe_of(paths.probe)))
    finally:
        stages.note(units=observe.units(observe.ask_systemd(), stages.begin))
        # Told before it is saved: there may be no room.
        print(observe.told(stages.record), flush=True)
        stages.save()


def _read_ahead(paths: Paths) -> None:
    from twine_machine.read_ahead import read_ahead

    count, total = read_ahead(paths.warm)
    say(f"reading ahead {count} files, {total // 1024} KiB")


def _show(paths: Paths) -> None:
    from twine_machine import observe

    path = paths.run / "boot.json"
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise MachineError(f"Failed to show the stages: {path} is no record of this boot. Start machine-config.service first.") from None
    print("\n".join(observe.table(record)))
