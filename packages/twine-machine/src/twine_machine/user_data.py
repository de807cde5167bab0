"""User data: ``KEY=VALUE`` lines that name addresses, and where the secrets are. It never holds a secret itself.

``X_SECRET_ARN`` names a secret of Secrets Manager, ``X_PARAMETER`` a parameter of Parameter Store; what they hold goes to
the file ``x`` in the folder of secrets (``TWINE_`` or ``MACHINE_`` in front of X is dropped).
"""

from __future__ import annotations

import re

from .errors import ConfigurationError

KEY = re.compile(r"[A-Z][A-Z0-9_]*")
SECRET, PARAMETER = "_SECRET_ARN", "_PARAMETER"


def parse(text: str) -> dict[str, str]:
    """The settings in ``text``; empty lines and comments are passed over.

    :raises ConfigurationError: for a line that is none, naming its number and never its content.
    """
    settings = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        key, found, value = line.partition("=")
        if not found or not KEY.fullmatch(key) or not value.isprintable():
            raise ConfigurationError(f"Failed to read the user data at line {number}: it is not KEY=VALUE. Correct the launch template's user data.")
        settings[key] = value
    if not settings:
        raise ConfigurationError("Failed to read the user data: it is empty. Give the launch template user data of KEY=VALUE lines.")
    return settings


def secret_file(key: str) -> str | None:
    """The file name of what ``key`` names, or None if it names no secret and no parameter."""
    for ending in (SECRET, PARAMETER):
        if key.endswith(ending):
            return re.sub(r"^(TWINE|MACHINE)_", "", key.removesuffix(ending)).lower()
    return None


def environment_file(settings: dict[str, str]) -> str:
    """``settings`` as systemd reads them (systemd.exec(5), EnvironmentFile=): in double quotes, backslash and quote escaped."""
    lines = []
    for key, value in sorted(settings.items()):
        quoted = value.replace("\\", "\\\\").replace('"', '\\"')
        lines.append(f'{key}="{quoted}"\n')
    return "".join(lines)
