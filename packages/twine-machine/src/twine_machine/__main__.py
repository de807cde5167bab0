"""The command ``twine-machine``."""

from __future__ import annotations

import argparse
import sys

from .boot_record import stamp
from .configure import FOLDER, configure
from .errors import ConfigurationError


def main() -> int:
    """Runs the command; 1 if the machine could not be configured."""
    parser = argparse.ArgumentParser(prog="twine-machine", description="Identity, addresses and secrets of this machine.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("configure", help="from the metadata service, or from /etc/machine/machine.env")
    commands.add_parser("stamp", help="note when a stage of the boot was reached").add_argument("stage")
    arguments = parser.parse_args()
    try:
        if arguments.command == "configure":
            print(f"This machine is configured {configure()}.")
        else:
            FOLDER.mkdir(parents=True, exist_ok=True)
            stamp(FOLDER, arguments.stage)
    except (ConfigurationError, OSError) as error:
        print(f"THIS MACHINE IS NOT CONFIGURED. {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
