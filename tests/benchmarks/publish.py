"""P6: one new package into a repository of many, shown to development and to production, the index proven each time.

The peer is aptly by hand: the same snapshot and the same two publications, without queue, proofs of files, or reading back.
"""

from __future__ import annotations

import getpass
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.twine.platform.plugins.module_utils._packages.aptly import Aptly, Publication
from ansible_collections.twine.platform.plugins.module_utils._packages.client import Client, Source
from ansible_collections.twine.platform.plugins.module_utils._packages.entry import Deb
from ansible_collections.twine.platform.plugins.module_utils._packages.index import differences, entries
from ansible_collections.twine.platform.plugins.module_utils._packages.publication import Publisher, Settings
from ansible_collections.twine.platform.plugins.module_utils._packages.snapshot import Repository, Rules
from tests.benchmarks.rows import Row
from tests.support import small_debs
from tests.support.processes import run
from tools import checkout

SMALL, LARGE = 500, 5000
TIMES = 3
KEY = "benchmark@example.invalid"
PARAMETERS = f"%no-protection\nKey-Type: eddsa\nKey-Curve: ed25519\nKey-Usage: sign\nName-Email: {KEY}\nExpire-Date: 1d\n%commit\n"
PLACES = (".", "prod")


@dataclass
class Site:
    """A repository of `debs`, published to both places; and what a client trusts."""

    aptly: Aptly
    debs: list[Deb]
    key: str
    number: int = 0

    def new(self) -> tuple[Deb, Path]:
        """Write a package that the repository has not."""
        self.number += 1
        deb = small_debs.write(self.aptly.root / "incoming", f"new-{self.number}")
        return deb, self.aptly.root / "incoming" / deb.file_name


def rows() -> list[Row]:
    """Measure at both sizes."""
    small, plain = measure(SMALL)
    large, _plain = measure(LARGE)
    return [
        Row("P6", f"one new package of {SMALL}, promoted, index proven", small, 5.0, "s", f"aptly by hand: {plain:.2f} s"),
        Row("P6 growth", f"the same at {LARGE}: {large:.2f} s", large / small, 4.0, "×"),
        Row("P6 proof", "what queue, proofs and reading back cost", small - plain, 1.0, "s", "aptly by hand"),
    ]


def measure(size: int) -> tuple[float, float]:
    """Seconds for one new package in a repository of `size`, ours and by hand; the median of several, taken in turns."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        try:
            site = build(Path(folder), size)
            ours, hand = zip(*[(_timed(lambda: publish(site)), _timed(lambda: by_hand(site))) for _time in range(TIMES)], strict=True)
            return statistics.median(ours), statistics.median(hand)
        finally:
            subprocess.run(["gpgconf", "--homedir", f"{folder}/.gnupg", "--kill", "all"], capture_output=True, check=False)


def _timed(act: Callable[[], None]) -> float:
    began = time.monotonic()
    act()
    return time.monotonic() - began


def build(root: Path, size: int) -> Site:
    """A repository of `size` packages, published."""
    for name, mode in ((".gnupg", 0o700), ("incoming", 0o755)):
        (root / name).mkdir(mode=mode)
    home = ["gpg", "--homedir", str(root / ".gnupg"), "--batch"]
    subprocess.run([*home, "--generate-key"], input=PARAMETERS, text=True, check=True, capture_output=True)
    key = subprocess.run([*home, "--armor", "--export", KEY], text=True, check=True, capture_output=True).stdout
    config = root / "aptly.conf"
    config.write_text(f'{{"rootDir": "{root}", "gpgProvider": "gpg", "skipLegacyPool": true}}')
    here = checkout.BINARIES / "aptly"
    aptly = Aptly(run, root, config, getpass.getuser(), str(here) if here.is_file() else shutil.which("aptly") or "aptly")
    debs = [small_debs.write(root / "incoming", f"package-{number}") for number in range(size)]
    aptly.ensure_repository("main", "main", "bookworm")
    aptly.add("main", [root / "incoming"])
    site = Site(aptly, debs, key)
    aptly.make_snapshot("main", "first", debs, [])
    for place in PLACES:
        publisher(site).ensure(Publication(place, "bookworm", "main", "first"), 60)
    return site


def publisher(site: Site) -> Publisher:
    return Publisher(site.aptly, Settings(KEY, "benchmark", "benchmark"))


def publish(site: Site) -> None:
    """Our way: what the modules of publish_packages.yml and promote.yml do."""
    deb, file = site.new()
    site.debs.append(deb)
    repository = Repository(site.aptly, "main", "main", "bookworm", Rules())
    made = repository.ensure(site.debs, {deb.name: file}, 60)
    for place in PLACES:
        publisher(site).ensure(Publication(place, "bookworm", "main", made.name), 60)
        source = Source(f"file:{site.aptly.root}/public/{place}", "bookworm", "main", site.key)
        if wrong := differences(site.debs, entries(Client(site.aptly.run).read(source))):
            raise RuntimeError(f"Failed to measure: the index is not as meant: {wrong[0]}.")


def by_hand(site: Site) -> None:
    """The same by aptly's own commands."""
    deb, file = site.new()
    site.debs.append(deb)
    name = f"by-hand-{site.number}"
    commands = [["repo", "add", "main", str(file)], ["snapshot", "create", name, "from", "repo", "main"]]
    commands += [["publish", "switch", "-batch", f"-gpg-key={KEY}", "-skip-contents", "-skip-bz2", "bookworm", place, name] for place in PLACES]
    environment = {"HOME": str(site.aptly.root), "GNUPGHOME": str(site.aptly.root / ".gnupg"), "PATH": "/usr/bin:/bin"}
    for command in commands:
        done = run([site.aptly.binary, f"-config={site.aptly.config}", *command], environment=environment)
        if done.code:
            raise RuntimeError(f"Failed to run aptly {command[0]} by hand: {done.tail(2)}.")
