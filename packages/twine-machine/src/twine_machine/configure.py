"""The first minute of a machine: who am I, where is everything, what are the secrets."""

from __future__ import annotations

import grp
import os
import time
from pathlib import Path

from . import user_data
from .boot_record import stamp
from .errors import ConfigurationError
from .files import write
from .metadata import Metadata
from .user_data import environment_file, parse, secret_file

GIVEN = Path("/etc/machine/machine.env")
FOLDER = Path("/run/machine")
PATIENCE_SECONDS = 90.0


def configure(given: Path = GIVEN, folder: Path = FOLDER, metadata_address: str = "", patience: float = PATIENCE_SECONDS) -> str:
    """Configures the machine and says from what.

    Where ``given`` exists (a development box, a container) it is the configuration, and nothing is asked. Elsewhere
    ``folder`` receives ``machine.env`` and ``secrets/``, the secrets readable by root and the group of the machine's role.

    :raises ConfigurationError: if it can't be configured within ``patience`` seconds.
    """
    folder.mkdir(parents=True, exist_ok=True)
    stamp(folder, "configure_begins")
    says = f"as {given} says"
    if not given.exists():
        says = _from_metadata(folder, Metadata(time.monotonic() + patience, metadata_address), patience)
    stamp(folder, "configured")
    return says


def _from_metadata(folder: Path, metadata: Metadata, patience: float) -> str:
    settings = parse(metadata.get("user-data"))
    settings["MACHINE_ID"] = metadata.get("meta-data/instance-id")
    region = metadata.get("meta-data/placement/region")
    settings.setdefault("AWS_REGION", region)
    named = {key: value for key, value in settings.items() if secret_file(key)}
    _fetch(folder, metadata, settings, named, patience)
    write(folder / "machine.env", environment_file(settings), 0o644)
    return f"from metadata: {settings['MACHINE_ID']}, {len(named)} secrets and parameters"


def _fetch(folder: Path, metadata: Metadata, settings: dict[str, str], named: dict[str, str], patience: float) -> None:
    """Fetches what is ``named`` into the folder of secrets, all of it before the first is written."""
    if not named:
        return
    from .secrets import Account  # its import costs more than all the rest; a machine without secrets does without

    account = Account(settings["AWS_REGION"], metadata.credentials(), time.monotonic() + patience, settings.get("AWS_ENDPOINT_URL", ""))
    values = {
        str(secret_file(key)): account.secret(value) if key.endswith(user_data.SECRET) else account.parameter(value) for key, value in named.items()
    }
    group = _group(settings.get("MACHINE_ROLE", ""))
    secrets = folder / "secrets"
    secrets.mkdir(mode=0o750, exist_ok=True)
    if group >= 0:
        os.chown(secrets, -1, group)
    for name, value in values.items():
        write(secrets / name, value, 0o640, group)


def _group(role: str) -> int:
    """The group that may read the secrets: the one named as the machine's role; -1, root's alone, where the role is not set.

    :raises ConfigurationError: if the role is set and has no group here: the image is another role's.
    """
    if not role:
        return -1
    try:
        return grp.getgrnam(role).gr_gid
    except KeyError:
        raise ConfigurationError(
            f"Failed to give the secrets to {role}: the image has no such group. Launch the image of that role, or correct MACHINE_ROLE."
        ) from None
