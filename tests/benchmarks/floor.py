"""The floor: what one would type in a shell to have the machine that our roles make.

What is installed and written is read from a machine that the roles configured: the packages marked as wanted, the files that the record
of provenance names. One transaction of apt, files from two archives, one start of all units. It checks nothing and can't be run twice.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

RECORD = "/usr/lib/twine-machine/provenance.json"
# apt and the packages' scripts read these: they come first.
EARLY = ("/etc/apt/", "/etc/postgresql-common/")
MASKED = ("apt-daily.timer", "apt-daily-upgrade.timer", "apt-daily.service", "apt-daily-upgrade.service")
WANTED = "apt-mark showmanual | sort"
# Files of roles that the record does not know, because their tasks are kept out of logs, or are written by commands.
BESIDE = "for path in /etc/machine /usr/lib/twine-machine/image.json; do [ ! -e $path ] || echo $path; done"
UNITS = (
    "systemctl --root=/ list-unit-files --no-legend --no-pager | "
    'awk \'$2 == "enabled" || $2 == "masked" || $2 == "masked-runtime" {print $1, $2}\' | sort'
)
Shell = Callable[[str], bytes]


@dataclass(frozen=True)
class Recipe:
    """What a machine has more than the base image: packages, files as two tar archives, units to enable."""

    packages: tuple[str, ...]
    early: bytes
    files: bytes
    units: tuple[str, ...]


def recipe(base: Shell, made: Shell) -> Recipe:
    """Read what `made` has more than `base`; both run a script on the machine and return what it prints."""
    packages = sorted(_lines(made(WANTED)) - _lines(base(WANTED)))
    paths = sorted(json.loads(made(f"cat {RECORD}"))["files"])
    late = [path for path in paths if not path.startswith(EARLY)] + sorted(_lines(made(BESIDE))) + [RECORD]
    units = sorted(line.split()[0] for line in _lines(made(UNITS)) - _lines(base(UNITS)) if line.endswith(" enabled"))
    return Recipe(tuple(packages), _archive(made, [path for path in paths if path.startswith(EARLY)]), _archive(made, late), tuple(units))


def state(machine: Shell) -> dict[str, set[str]]:
    """What two machines must have in common to count as the same."""
    paths = sorted(json.loads(machine(f"cat {RECORD}"))["files"])
    return {
        "packages": _lines(machine("dpkg-query -W")),
        "files": _lines(machine(f"sha256sum {' '.join(paths)}; stat -c '%a %U %G %n' {' '.join(paths)}")),
        "units": _lines(machine(UNITS)),
    }


def differences(ours: dict[str, set[str]], floor: dict[str, set[str]]) -> list[str]:
    """What one has and the other has not, a sentence each; empty if the floor reaches the same end."""
    return [
        f"{kind}: only {'ours has' if line in ours[kind] else 'the floor has'} {line}" for kind in ours for line in sorted(ours[kind] ^ floor[kind])
    ]


def install(made: Recipe, upgrade: bool = False) -> str:
    """The script's first part: repository and packages. The archive of early files comes by standard input."""
    apt = "apt-get -q -y -o Dpkg::Options::=--force-confold --no-install-recommends"
    return "\n".join(
        (
            "export DEBIAN_FRONTEND=noninteractive",
            "tar -x -C /",
            f"systemctl --quiet mask {' '.join(MASKED)}",
            r"printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d; chmod 755 /usr/sbin/policy-rc.d",
            "apt-get -q update",
            f"{apt} --allow-downgrades dist-upgrade" if upgrade else ":",
            f"{apt} install {' '.join(made.packages)}",
            "rm /usr/sbin/policy-rc.d",
        )
    )


def configure(made: Recipe) -> str:
    """The second part: files, which come by standard input, and units."""
    return "\n".join(("tar -x -C /", "passwd --quiet --lock root", f"systemctl --quiet enable {' '.join(made.units)}"))


def _archive(machine: Shell, paths: list[str]) -> bytes:
    return machine(f"tar -c -P --ignore-failed-read {' '.join(paths)} 2>/dev/null") if paths else machine("tar -c -T /dev/null")


def _lines(text: bytes) -> set[str]:
    return set(text.decode().splitlines())
