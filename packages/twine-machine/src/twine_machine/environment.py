"""KEY=VALUE lines: user data comes in as such, and machine.env goes out."""

from __future__ import annotations

import re
from collections.abc import Mapping

from twine_machine.errors import MachineError

NAME = re.compile(r"[A-Z][A-Z0-9_]*")
PLAIN = re.compile(r"[A-Za-z0-9_@%+:,./?=&~-]*")
QUOTES = ("'", '"')


def parse(text: str, source: str) -> dict[str, str]:
    """Read the lines; empty ones and comments count for nothing. A value is never shown in an error, it may be private."""
    values: dict[str, str] = {}
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if not equals or not NAME.fullmatch(name) or not value.isprintable():
            raise MachineError(
                f"Failed to read {source}: line {number} is not of the form KEY=VALUE. "
                "Write names in capital letters, digits and underscores, one in a line."
            )
        if name in values:
            raise MachineError(f"Failed to read {source}: line {number} says {name} again. Keep one of the two.")
        values[name] = _unquoted(value.strip())
    return values


def _unquoted(value: str) -> str:
    if len(value) < 2 or value[0] != value[-1] or value[0] not in QUOTES:
        return value
    return re.sub(r'\\(["\\`$])', r"\1", value[1:-1]) if value[0] == '"' else value[1:-1]


def render(values: Mapping[str, str]) -> str:
    """Return the lines of a file that systemd reads as EnvironmentFile, quoted where it needs it."""
    return "".join(f"{name}={_quoted(value)}\n" for name, value in values.items())


def _quoted(value: str) -> str:
    return value if PLAIN.fullmatch(value) else '"' + re.sub(r'(["\\`$])', r"\\\1", value) + '"'
