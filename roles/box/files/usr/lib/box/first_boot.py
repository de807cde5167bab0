"""Gives a box its identity when it first boots: secrets of its own, the database and its owner, and the configuration.

Elsewhere an account gives a machine these; a box stands alone. The configuration comes last: as long as it is missing, all of it is done again.
"""

from __future__ import annotations

import argparse
import json
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

NAME = re.compile(r"[a-z][a-z0-9_]*")


class FirstBootError(Exception):
    """The identity could not be made; the message says why and what to do."""


def have_secrets(folder: Path, owner: str, group: str) -> str:
    """Have the secrets, each made once; returns the database's password."""
    # The unit's own mask would close the way to what others may read.
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.parent.chmod(0o755)
    folder.mkdir(exist_ok=True)
    folder.chmod(0o750)
    shutil.chown(folder, group=group)
    password = secrets.token_urlsafe(24)
    made = {
        "database": json.dumps({"username": owner, "password": password}),
        "search": secrets.token_urlsafe(24),
        "session_key": secrets.token_hex(32),
    }
    for name, content in made.items():
        if not (folder / name).is_file():
            write(folder / name, content, 0o640, group)
    return str(json.loads((folder / "database").read_text(encoding="utf-8"))["password"])


def write(path: Path, content: str, mode: int, group: str) -> None:
    """Write a file as one step, of this mode and group."""
    draft = path.with_name(f".{path.name}.new")
    draft.write_text(content, encoding="utf-8")
    draft.chmod(mode)
    shutil.chown(draft, group=group)
    draft.replace(path)


def statements(database: str, password: str, roles: Sequence[str], databases: Sequence[str]) -> str:
    """Return the SQL that makes the owner and the database, where they are missing. The password has no quote in it."""
    verb = "ALTER" if database in roles else "CREATE"
    lines = [f"{verb} ROLE {database} LOGIN PASSWORD '{password}';"]
    if database not in databases:
        lines.append(f"CREATE DATABASE {database} OWNER {database} ENCODING 'UTF8';")
    return "\n".join([*lines, f"REVOKE ALL ON DATABASE {database} FROM PUBLIC;", ""])


def sql(text: str) -> list[str]:
    """Run SQL as the server's administrator, given by standard input: arguments are read by everyone. Returns its lines."""
    command = ["psql", "--username=postgres", "--dbname=postgres", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1"]
    try:
        done = subprocess.run(command, input=text, text=True, capture_output=True, check=True, timeout=120)
    except (OSError, subprocess.SubprocessError) as error:
        reason = " ".join((getattr(error, "stderr", "") or str(error)).split())
        raise FirstBootError(f"Failed to make the database: {reason}. See that postgresql.service runs, then start this unit again.") from None
    return done.stdout.split()


def main(arguments: Sequence[str], root: Path = Path("/")) -> int:
    """Make all that is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", required=True)
    parser.add_argument("--group", required=True)
    wanted = parser.parse_args(arguments)
    machine = root / "etc/machine"
    try:
        if not NAME.fullmatch(wanted.database):
            raise FirstBootError(f"Failed to make the database {wanted.database!r}: no plain name. Correct box_database.")
        password = have_secrets(machine / "secrets", wanted.database, wanted.group)
        roles, databases = sql("SELECT rolname FROM pg_roles;"), sql("SELECT datname FROM pg_database;")
        sql(statements(wanted.database, password, roles, databases))
        write(machine / "machine.env", (root / "usr/lib/box/machine.env").read_text(encoding="utf-8"), 0o644, "root")
    except FirstBootError as error:
        print(error, file=sys.stderr)
        return 1
    except (OSError, ValueError, KeyError, LookupError) as error:
        print(f"Failed to give the box its identity: {error}. Correct that and start box-first-boot.service again.", file=sys.stderr)
        return 1
    print(f"The box made its own secrets, the database {wanted.database} and {machine / 'machine.env'}.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
