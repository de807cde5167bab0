"""Which snapshot a distribution shows: published once, then switched."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from .aptly import Aptly, Publication
from .errors import PackageError
from .lock import Turn


@dataclass(frozen=True)
class Settings:
    """How a publication is made. `trusted_keys` are further keys that the next index may be signed with."""

    signing_key: str
    origin: str
    label: str
    architectures: tuple[str, ...] = field(default=("amd64", "arm64"))
    force_overwrite: bool = False
    trusted_keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class Shown:
    """Whether anything was written, or in check mode would be; the snapshot that was shown before; how the turn came."""

    changed: bool
    previous: str
    turn: Turn = field(default_factory=Turn)


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

    def look(self, wanted: Publication) -> Shown:
        """What `ensure` would find and do; writes nothing."""
        shown = self.current(wanted)
        return Shown(not self._is_done(wanted, shown), shown)

    def _is_done(self, wanted: Publication, shown: str) -> bool:
        """Whether the place shows the snapshot, signed with this key, and the publish that brought it there came to its end."""
        marker = self._marker(wanted)
        return shown == wanted.snapshot and marker.is_file() and marker.read_text(encoding="utf-8") == self._done(wanted)

    def ensure(self, wanted: Publication, seconds: float) -> Shown:
        """Have the place show the snapshot."""
        with self.aptly.turn(f"publish {wanted.snapshot}", seconds) as turn:
            shown = self.current(wanted)
            if self._is_done(wanted, shown):
                return Shown(False, shown, turn)
            if wanted.snapshot not in self.aptly.snapshots():
                raise PackageError(f"publish {wanted.snapshot}", "there is no such snapshot", "Make it first, or name one of `aptly snapshot list`")
            self._prove_key(wanted)
            if shown:
                # A client may have read an index before: what it names stays until it is pruned. aptly keeps one former index of each
                # file, by a link, and forgets it at the next publish; without the link it leaves it alone.
                for link in self._place(wanted).rglob("by-hash/*/*.old"):
                    link.unlink()
                self._write(wanted, lambda: self.aptly.switch(wanted, ["-skip-cleanup", *self._options()]))
            else:
                self._write(wanted, lambda: self.aptly.publish(wanted, [*self._options(), *self._first_options()]))
            return Shown(True, shown, turn)

    def _prove_key(self, wanted: Publication) -> None:
        """Raise PackageError unless the key can sign: aptly finds out only when it has written half of the index."""
        signed = self.aptly.gpg("--local-user", self.settings.signing_key, "--output", "/dev/null", "--detach-sign", "/dev/null")
        if signed.code:
            raise PackageError(
                f"publish {wanted.snapshot}",
                f"gpg cannot sign with {self.settings.signing_key}: {signed.tail(1)}",
                "Make the key with playbooks/repository.yml; one that has ended gets a successor (roles/aptly/README.md, A new key)",
            )

    def clean(self, shown: Publication) -> None:
        """Remove published files that what is shown does not name, and indices that nobody is about to read. The turn is the caller's."""
        self._write(shown, lambda: self.aptly.switch(shown, self._options()))
        named = (self._place(shown) / "Release").read_text(encoding="utf-8")
        for folder in self._place(shown).rglob("by-hash/*"):
            linked = {file.readlink().name for file in folder.iterdir() if file.is_symlink()}
            for file in folder.iterdir():
                if not file.is_symlink() and file.name not in named and file.name not in linked:
                    file.unlink()

    def _place(self, wanted: Publication) -> Path:
        return self.aptly.root / "public" / wanted.prefix / "dists" / wanted.distribution

    def _write(self, wanted: Publication, write: Callable[[], None]) -> None:
        """aptly notes a switch before its files are all in place: until the marker is back, the next run repairs."""
        marker = self._marker(wanted)
        try:
            marker.parent.mkdir(exist_ok=True)
            marker.unlink(missing_ok=True)
            write()
            marker.write_text(self._done(wanted), encoding="utf-8")
        except OSError as error:
            raise PackageError(f"publish {wanted.snapshot}", f"{marker}: {error.strerror}", "Make room, and run this again") from None

    def _done(self, wanted: Publication) -> str:
        return " ".join([wanted.snapshot, self.settings.signing_key, *sorted(self.settings.trusted_keys)]) + "\n"

    def _fingerprints(self) -> list[str]:
        """The fingerprints of the keys that the next index may be signed with; in gpg's colon lines each follows its key."""
        keys = [self.settings.signing_key, *self.settings.trusted_keys]
        lines = self.aptly.gpg("--with-colons", "--list-keys", *keys).out.splitlines()
        return [after.split(":")[9] for line, after in pairwise(lines) if line.startswith("pub:") and after.startswith("fpr:")]

    def _options(self) -> Sequence[str]:
        options = ["-batch", f"-gpg-key={self.settings.signing_key}", f"-signed-by={','.join(self._fingerprints())}"]
        options += ["-skip-contents", "-skip-bz2"]
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
