"""What belongs to this checkout and to no other: its id, Docker prefix, ports and address ranges.

Two checkouts share one Docker, so everything that is started carries the id, which is a short hash of the folder's real path.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
BINARIES = BUILD / "tools" / "bin"
PLUGINS = BUILD / "tools" / "packer_plugins"


def identity(root: Path = ROOT) -> str:
    """Return six hexadecimal digits that name the checkout at root."""
    return hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:6]


def prefix(root: Path = ROOT) -> str:
    """Return what the name of each container, network and volume of the checkout starts with."""
    return f"twine-{identity(root)}"


def label(root: Path = ROOT) -> str:
    """Return the Docker label, as key=value, that everything of the checkout carries."""
    return f"twine.checkout={identity(root)}"


def ports(root: Path = ROOT) -> dict[str, int]:
    """Return the ports on 127.0.0.1 by use; load balancers count up from theirs, in order of creation."""
    # Below 32768, where a kernel's own choice of ports begins.
    base = 20_000 + int(identity(root), 16) % 120 * 100
    return {"cloud": base, "load_balancers": base + 10, "repository": base + 60}


def networks(root: Path = ROOT) -> dict[str, str]:
    """Return the address range of each local account that has a network."""
    second = 10 + int(identity(root), 16) % 60
    return {name: f"10.{second + offset}.0.0/16" for name, offset in (("dev", 0), ("prod", 60), ("bastion", 120))}


def main(arguments: list[str]) -> int:
    """Print one answer: id, prefix, label, ports or networks (the last two as JSON)."""
    answers = {
        "id": identity(),
        "prefix": prefix(),
        "label": label(),
        "ports": json.dumps(ports()),
        "networks": json.dumps(networks()),
    }
    if len(arguments) != 1 or arguments[0] not in answers:
        print(f"Failed to answer {' '.join(arguments) or 'nothing'}: not a question. Ask one of: {', '.join(answers)}.", file=sys.stderr)
        return 2
    print(answers[arguments[0]])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
