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
    def secrets(self) -> Path:
        """Return the folder of fetched secrets."""
        return self.run / "secrets"
