"""A machine that asks the metadata service who it is, and takes its secrets from where its user data says."""

from __future__ import annotations

import grp
import json
import os
import pwd
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from twine_machine import environment, files
from twine_machine.errors import MachineError
from twine_machine.metadata import Metadata
from twine_machine.paths import Paths
from twine_machine.patience import Patience, say
from twine_machine.services import Services
from twine_machine.stages import Stages
from twine_machine.wanted import wanted

ROLE = "MACHINE_ROLE"
SSH_USER = "MACHINE_SSH_USER"
ADMIN_GROUP = "-admin"
USERADD = "/usr/sbin/useradd"


def configure(paths: Paths, patience: Patience, endpoint: str, stages: Stages) -> str:
    """Fetch and write everything; returns what to say about it."""
    metadata = Metadata(patience, endpoint)
    values = environment.parse(metadata.user_data(), "the user data")
    stages.reach("metadata")
    role = _role(paths, values)
    instance = metadata.instance()
    stages.note(instance=asdict(instance), role=role)
    values = {
        **values,
        "AWS_REGION": instance.region,
        "MACHINE_INSTANCE_ID": instance.instance,
        "MACHINE_IMAGE_ID": instance.image,
        "MACHINE_ZONE": instance.zone,
        "MACHINE_ACCOUNT_ID": instance.account,
    }
    _let_in(paths, values.get(SSH_USER, "admin"), metadata.public_key())
    files.make_folder(paths.run)
    _fetch(paths, values, Services(patience, metadata.credentials, instance.region, values.get("AWS_ENDPOINT_URL", "")))
    stages.reach("secrets")
    # Last: units take this file for the sign that a machine is configured.
    files.write(paths.run / "machine.env", environment.render(values))
    return f"configured as {role}, {instance.instance} in {instance.zone}"


def refresh(paths: Paths, patience: Patience, endpoint: str) -> list[str]:
    """Fetch the secrets of a configured machine again; returns the names of those that changed."""
    values = configured(paths)
    return _fetch(paths, values, _services(values, patience, endpoint))


def publish(paths: Paths, patience: Patience, endpoint: str, parameter: str, file: Path) -> None:
    """Write a file's content into a parameter."""
    _services(configured(paths), patience, endpoint).publish(parameter, file.read_text(encoding="utf-8"))


def configured(paths: Paths) -> dict[str, str]:
    """Return the values that `configure` wrote."""
    path = paths.run / "machine.env"
    try:
        return environment.parse(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        raise MachineError(f"Failed to read {path}: {error.strerror}. Start machine-config.service first.") from None


def _role(paths: Paths, values: Mapping[str, str]) -> str:
    role = values.get(ROLE, "")
    if not role:
        raise MachineError(f"Failed to configure the machine: the user data has no {ROLE}. Add it to the launch template.")
    try:
        baked = str(json.loads(paths.image.read_text(encoding="utf-8"))["role"])
    except OSError:
        return role
    except (ValueError, KeyError, TypeError):
        raise MachineError(f"Failed to read {paths.image}: it is no image record. Bake the image again.") from None
    if baked != role:
        raise MachineError(f"Failed to become {role}: this image was baked as {baked}. Launch it with {ROLE}={baked}, or launch the other image.")
    return role


def _services(values: Mapping[str, str], patience: Patience, endpoint: str) -> Services:
    metadata = Metadata(patience, endpoint)
    return Services(patience, metadata.credentials, values.get("AWS_REGION", ""), values.get("AWS_ENDPOINT_URL", ""))


def _fetch(paths: Paths, values: Mapping[str, str], services: Services) -> list[str]:
    items = wanted(values)
    if not items:
        return []
    group, admin = _group(values[ROLE]), _admin_group(values[ROLE])
    owner = os.geteuid()
    # All or nothing: a machine with half of its secrets would start and fail later, elsewhere.
    fetched = [(item, services.fetch(item)) for item in items]
    files.make_folder(paths.secrets, 0o750, owner, group)
    files.make_folder(paths.asks, 0o770, owner, group)
    changed = [
        item.file for item, value in fetched if files.write(paths.secrets / item.file, value, 0o640, owner, admin if item.for_admin else group)
    ]
    # The folder's time says when they were fetched last, changed or not.
    os.utime(paths.secrets)
    return changed


def _group(role: str) -> int:
    try:
        return grp.getgrnam(role).gr_gid
    except KeyError:
        raise MachineError(f"Failed to store secrets for {role}: there is no such group. Bake the image with the package that makes it.") from None


def _admin_group(role: str) -> int:
    """Return the group of who prepares the work of a role; where there is none, such a secret is root's alone."""
    try:
        return grp.getgrnam(f"{role}{ADMIN_GROUP}").gr_gid
    except KeyError:
        return os.getegid()


def _let_in(paths: Paths, user: str, key: str | None) -> None:
    if not key:
        return
    try:
        account = pwd.getpwnam(user)
    except KeyError:
        # Not by subprocess: its import takes longer than all that is done with it.
        if os.spawnv(os.P_WAIT, USERADD, [USERADD, "--create-home", "--shell", "/bin/bash", "--", user]):
            raise MachineError(f"Failed to let {user} in: there is no such user and useradd makes none. Choose another {SSH_USER}.") from None
        account = pwd.getpwnam(user)
        say(f"made the user {user} for the instance's key")
    folder = paths.root / account.pw_dir.lstrip("/") / ".ssh"
    files.make_folder(folder, 0o700, account.pw_uid, account.pw_gid)
    files.write(folder / "authorized_keys", f"{key}\n", 0o600, account.pw_uid, account.pw_gid)
