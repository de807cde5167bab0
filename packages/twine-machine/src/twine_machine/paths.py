"""Where everything lies."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Paths:
    """Places below `root`, which is `/` but for tests."""

    root: Path = Path("/")

    @property
    def own(self) -> Path:
        """Return the file that makes a machine configure itself from files."""
        return self.root / "etc/machine/machine.env"

    @property
    def image(self) -> Path:
        """Return the record that the bake left in the image."""
        return self.root / "usr/lib/twine-machine/image.json"

    @property
    def run(self) -> Path:
        """Return the folder in memory."""
        return self.root / "run/machine"

    @property
    def warm(self) -> Path:
        """Return the record of what was warmed at the bake."""
        return self.root / "usr/lib/twine-machine/warm.json"

    @property
    def probe(self) -> Path:
        """Return what the machine is asked when it has booted."""
        return self.root / "usr/lib/twine-machine/probe.json"

    @property
    def asks(self) -> Path:
        """Return the folder in which an application asks for its secrets again."""
        return self.run / "asks"

    @property
    def secrets(self) -> Path:
        """Return the folder of fetched secrets."""
        return self.run / "secrets"
