"""Which snapshot a distribution shows: published once, then switched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .aptly import Aptly, Publication
from .errors import PackageError
from .lock import writer


@dataclass(frozen=True)
class Settings:
    """How a publication is made."""

    signing_key: str
    origin: str
    label: str
    architectures: tuple[str, ...] = field(default=("amd64", "arm64"))
    force_overwrite: bool = False


@dataclass(frozen=True)
class Publisher:
    """Publishes on one aptly."""

    aptly: Aptly
    settings: Settings

    def current(self, wanted: Publication) -> str:
        """The snapshot that the wanted place shows now, empty when it shows none."""
        for found in self.aptly.publications():
            place = (found.prefix, found.distribution, found.component)
            if place == (wanted.prefix, wanted.distribution, wanted.component):
                return found.snapshot
        return ""

    def is_done(self, wanted: Publication) -> bool:
        """Whether the place shows the snapshot and the publish that brought it there came to its end."""
        marker = self._marker(wanted)
        return self.current(wanted) == wanted.snapshot and marker.is_file() and marker.read_text(encoding="utf-8").strip() == wanted.snapshot

    def ensure(self, wanted: Publication, seconds: float) -> bool:
        """Have the place show the snapshot; returns whether anything was written."""
        with writer(self.aptly.lock, f"publish {wanted.snapshot}", seconds):
            if self.is_done(wanted):
                return False
            if wanted.snapshot not in self.aptly.snapshots():
                raise PackageError(f"publish {wanted.snapshot}", "there is no such snapshot", "Make it first, or name one of `aptly snapshot list`")
            marker = self._marker(wanted)
            marker.parent.mkdir(exist_ok=True)
            # aptly notes a switch before its files are all in place: until the marker is back, the next run repairs.
            marker.unlink(missing_ok=True)
            if self.current(wanted):
                self.aptly.switch(wanted, self._options())
            else:
                self.aptly.publish(wanted, [*self._options(), *self._first_options()])
            marker.write_text(f"{wanted.snapshot}\n", encoding="utf-8")
            return True

    def _options(self) -> Sequence[str]:
        options = ["-batch", f"-gpg-key={self.settings.signing_key}", "-skip-contents", "-skip-bz2"]
        return [*options, "-force-overwrite"] if self.settings.force_overwrite else options

    def _first_options(self) -> Sequence[str]:
        return [
            "-acquire-by-hash",
            f"-origin={self.settings.origin}",
            f"-label={self.settings.label}",
            f"-architectures={','.join(self.settings.architectures)}",
        ]

    def _marker(self, wanted: Publication) -> Path:
        name = f"{wanted.prefix}-{wanted.distribution}-{wanted.component}".replace("/", "_").lstrip(".")
        return self.aptly.root / "complete" / name
