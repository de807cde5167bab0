"""whence: say which package or role put a file here, and whether it is as it came."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

from twine_machine import files, modes, origin
from twine_machine.origin import Origin

USAGE = "whence [--json] FILE ... | whence --record <WRITTEN.json"
RECORD = "usr/lib/twine-machine/provenance.json"
MODES = "usr/lib/twine-machine/package-modes.json"


def main(arguments: Sequence[str], root: Path = Path("/"), given: TextIO | None = None) -> int:
    """Answer; 0 when every file is as it came, 1 when one is changed, unknown or absent, 2 for a wrong question."""
    names = [name for name in arguments if name != "--json"]
    options = [name for name in names if name.startswith("-")]
    if arguments == ["--record"]:
        return _record(root, given or sys.stdin)
    if options or not names:
        say(f"Usage: {USAGE}")
        return 2
    try:
        record = origin.read(root / RECORD)
        known = _modes(root)
        found = [origin.find(root, record, known, os.path.normpath(Path.cwd() / name)) for name in names]
    except (OSError, ValueError) as error:
        say(f"Failed to read what is known of this machine: {error}. Run it as root; see whether the disk is whole.")
        return 1
    if "--json" in arguments:
        print(json.dumps([vars(one) for one in found], indent=2))
    else:
        print("\n".join(line for one in found for line in told(one)))
    return 1 if any(one.changed or one.kind in ("absent", "unknown") for one in found) else 0


def told(one: Origin) -> list[str]:
    """The lines for a person."""
    lines = [one.path]
    if one.kind == "absent":
        return [*lines, "  is not here"]
    if one.kind == "unknown":
        return [*lines, "  no package brought it and no role wrote it: made on this machine"]
    if one.role:
        collection = one.role["collection"]
        name = one.role["role"].removeprefix(f"{collection.partition(' ')[0]}.")
        lines.append(f"  role      {name} of {collection}, commit {one.role['commit'] or 'not known'}")
        lines.append(f"  written   from {one.role['source'] or 'values'}, by the task '{one.role['task']}'")
    if one.package:
        begin = "  replaces  a file of " if one.role else "  package   "
        lines.append(f"{begin}{one.package['name']} {one.package['version']}")
        if snapshot := one.package.get("snapshot"):
            lines.append(f"  snapshot  {snapshot}, deb {one.package.get('sha256', '')[:12]}, commit {one.package.get('commit') or 'not known'}")
    if one.changed:
        return [*lines, f"  CHANGED   {', '.join(one.changed)}"]
    unverified = one.kind == "package" and one.package["verified"] == "no"
    return [*lines, "  no digest of it was recorded" if unverified else "  as it came"]


def say(sentence: str) -> None:
    """Tell the person who asks."""
    print(f"whence: {sentence}", file=sys.stderr)


def _record(root: Path, given: TextIO) -> int:
    path = root / RECORD
    try:
        wanted = origin.record(root, json.load(given), origin.read(path))
        files.make_folder(path.parent)
        noted = modes.note(root, _modes(root))
        written = [files.write(place, json.dumps(it, indent=1) + "\n") for place, it in ((path, wanted), (root / MODES, noted))]
    except (OSError, ValueError, KeyError, TypeError) as error:
        say(f"Failed to record who wrote what: {error!r}. Give what twine.platform.provenance returns, as root.")
        return 1
    print("changed" if any(written) else "unchanged")
    return 0


def _modes(root: Path) -> dict[str, Any]:
    path = root / MODES
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return found
