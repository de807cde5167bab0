"""Runs on the repository's machine: publishers that are many, are killed, meet a full disk, or wait, a client, and a distribution.

`inside.py COMMAND …` prints one JSON value. It has a repository of its own below a folder, beside the machine's real one.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from ansible_collections.twine.platform.plugins.module_utils._packages.aptly import Aptly, Publication
from ansible_collections.twine.platform.plugins.module_utils._packages.client import Client, Source
from ansible_collections.twine.platform.plugins.module_utils._packages.entry import Deb
from ansible_collections.twine.platform.plugins.module_utils._packages.errors import PackageError
from ansible_collections.twine.platform.plugins.module_utils._packages.index import entries
from ansible_collections.twine.platform.plugins.module_utils._packages.lock import writer
from ansible_collections.twine.platform.plugins.module_utils._packages.publication import Publisher, Settings
from ansible_collections.twine.platform.plugins.module_utils._packages.snapshot import Repository, Rules
from tests.support import small_debs
from tests.support.processes import run

HERE = Path(__file__).parent
KEY = "faults@example.invalid"
PARAMETERS = f"%no-protection\nKey-Type: eddsa\nKey-Curve: ed25519\nKey-Usage: sign\nName-Email: {KEY}\nExpire-Date: 1d\n%commit\n"
SERVED = Path("/var/lib/aptly/public")
PATIENCE = 60.0
# Is in every index, beside what is published anew: an index that lost something is seen.
ALWAYS = "base=1.0"


def prepare(root: Path, owner: str = "root") -> str:
    """A folder for aptly, with a key where none is; the machine's own server serves it by the folder's name. Returns the key's public half."""
    for name, mode in (("public", 0o755), ("incoming", 0o755)):
        (root / name).mkdir(mode=mode, parents=True, exist_ok=True)
    home = HERE / "gnupg"
    if not home.exists():
        home.mkdir(mode=0o700)
        subprocess.run(["gpg", "--homedir", home, "--batch", "--generate-key"], input=PARAMETERS, text=True, check=True, capture_output=True)
    (root / "aptly.conf").write_text(json.dumps({"rootDir": str(root), "gpgProvider": "gpg", "skipLegacyPool": True}))
    (SERVED / root.name).symlink_to(root / "public")
    if owner == "root":
        (root / ".gnupg").symlink_to(home)
    else:
        # Everybody has an agent of gpg of one's own.
        shutil.copytree(home, root / ".gnupg", ignore=shutil.ignore_patterns("S.*"))
        subprocess.run(["chown", "--recursive", owner, root], check=True)
    return _public_key()


def _public_key() -> str:
    return subprocess.run(["gpg", "--homedir", HERE / "gnupg", "--armor", "--export", KEY], check=True, capture_output=True, text=True).stdout


def aptly(root: Path) -> Aptly:
    return Aptly(run, root, root / "aptly.conf", "root")


def publish(root: Path, *labels: str) -> dict[str, Any]:
    """Publish the packages `name=version`, made here; of one with a colon behind it, so many kilobytes large."""
    return publish_debs(root, [make(root, label) for label in labels])


def publish_debs(root: Path, debs: list[Deb]) -> dict[str, Any]:
    files = {deb.name: root / "incoming" / deb.file_name for deb in debs}
    try:
        made = Repository(aptly(root), "main", "main", "bookworm", Rules()).ensure(debs, files, PATIENCE)
        Publisher(aptly(root), Settings(KEY, "tests", "tests")).ensure(Publication(".", "bookworm", "main", made.name), PATIENCE)
    except PackageError as error:
        return {"error": str(error)}
    return {"snapshot": made.name, "meant": sorted(deb.label for deb in debs), "waited_for": made.turn.for_whom}


def make(root: Path, label: str) -> Deb:
    """A package; written beside and moved, for eight may make the same one at once."""
    name, _sign, rest = label.partition("=")
    version, _colon, kilobytes = rest.partition(":")
    folder = root / "incoming" / f".{os.getpid()}"
    folder.mkdir(exist_ok=True)
    deb = small_debs.write(folder, name, version, int(kilobytes or 0) * 1024)
    (folder / deb.file_name).replace(root / "incoming" / deb.file_name)
    return deb


def upstream(root: Path, changelogs: str) -> dict[str, Any]:
    """Publish, as a distribution does, packages with changelogs, by the text of which each is named; the files of former ones go."""
    debs = []
    for changelog in json.loads(changelogs):
        name, version = changelog.split(")")[0].split(" (")
        debs.append(small_debs.write(root / "incoming", name, version, changelog=changelog))
    # The machine's own archive is trusted, too: it is the rest of that distribution.
    subprocess.run(["gpg", "--homedir", HERE / "gnupg", "--batch", "--import", SERVED / "archive-keyring.asc"], check=True, capture_output=True)
    trusted = subprocess.run(["gpg", "--homedir", HERE / "gnupg", "--export"], check=True, capture_output=True).stdout
    (HERE / "keyring.gpg").write_bytes(trusted)
    published = publish_debs(root, debs)
    for file in (root / "public" / "pool").rglob("*.deb"):
        if file.name not in {deb.file_name for deb in debs}:
            file.unlink()
    return published


def read(root: Path) -> dict[str, Any]:
    """What a client sees that begins now, or why it refuses."""
    try:
        text = Client(run).read(Source(f"http://127.0.0.1/{root.name}", "bookworm", "main", _public_key()))
    except PackageError as error:
        return {"error": str(error)}
    return {"seen": sorted(entry.deb.label for entry in entries(text))}


def hold(root: Path, others: str = "1") -> str:
    """Have the turn until so many others wait for it; who had it."""
    with writer(root / "writer.lock", "hold the turn", PATIENCE):
        print("held", flush=True)
        _wait("others wait", partial(_others_wait, root / "writer.lock.queue", int(others)))
    return f"process {os.getpid()} (hold the turn)"


def kill_at(root: Path, *delays: str) -> list[dict[str, Any]]:
    """A publisher is killed so many seconds after it began to publish, with all that it started; then another goes on."""
    told = []
    for number, delay in enumerate(delays, 1):
        before = read(root)
        wanted = f"killed=1.{number}"
        child = subprocess.Popen([sys.executable, __file__, "publish", str(root), ALWAYS, wanted], start_new_session=True, stdout=subprocess.DEVNULL)
        _wait("the publisher begin", partial(_turn_of, root, child.pid))
        end = time.monotonic() + float(delay)
        while time.monotonic() < end and child.poll() is None:
            time.sleep(0.005)
        killed = child.poll() is None
        if killed:
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        told.append({"before": before, "killed": killed, "after": read(root), "again": publish(root, ALWAYS, wanted), "end": read(root)})
    return told


def _others_wait(queue: Path, number: int) -> bool:
    """Whether so many have a place behind ours, and had the time to look who has the turn."""
    behind = sorted(queue.iterdir())[1:]
    return sum(time.time() - place.stat().st_mtime > 0.3 for place in behind) >= number


def _turn_of(root: Path, pid: int) -> bool:
    lock = root / "writer.lock"
    return lock.exists() and lock.read_text().startswith(f"process {pid} (")


def _wait(what: str, condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"Failed to see {what} within {PATIENCE:.0f} s.")
        time.sleep(0.005)


def fill(root: Path, *left: str) -> list[dict[str, Any]]:
    """The disk of `root` is filled but for so many kilobytes when somebody publishes; then there is room again."""
    told = []
    for number, kilobytes in enumerate(left, 1):
        wanted = f"large=1.{number}:300"
        before, debs, filler = read(root), [make(root, ALWAYS), make(root, wanted)], root / "filler"
        disk = os.statvfs(root)
        with filler.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, disk.f_bavail * disk.f_frsize - int(kilobytes) * 1024)
        refused = publish_debs(root, debs)
        after = read(root)
        filler.unlink()
        told.append({"before": before, "refused": refused, "after": after, "again": publish(root, ALWAYS, wanted), "end": read(root)})
    return told


COMMANDS: dict[str, Callable[..., Any]] = {
    "prepare": prepare,
    "publish": publish,
    "upstream": upstream,
    "read": read,
    "hold": hold,
    "kill-at": kill_at,
    "fill": fill,
}

if __name__ == "__main__":
    print(json.dumps(COMMANDS[sys.argv[1]](Path(sys.argv[2]), *sys.argv[3:])))
