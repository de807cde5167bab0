"""The patch train as far as the repository: the distribution mends something, the report names it, the next snapshot has it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.twine.platform.plugins.module_utils._release.record import contents
from tests.support import small_debs
from tools import checkout

from .conftest import FOLDER, MACHINE, docker, inside

UPSTREAM = f"{FOLDER}/upstream"
APTLY = ["exec", MACHINE, "runuser", "-u", "aptly", "--", "aptly", "-config=/etc/aptly.conf"]
# Where this test publishes, beside what the machine has published.
PREFIX = "patched"
REST = {
    "name": "1.0-0a1b2c3d",
    "commit": "0123abcdef01",
    "images": {"twine": "ami-0123456789abcdef0"},
    "bake_keys": {"twine": "0a1b2c3d4e5f"},
    "templates": {"application.yml": "2" * 64},
    "plan": {"dev/application": "3" * 64},
}


def changelog(name: str, version: str, days: int, said: str) -> str:
    """A Debian changelog with one entry, so many days old."""
    made = format_datetime(datetime.now(UTC) - timedelta(days=days, hours=1))
    return f"{name} ({version}) bookworm; urgency=medium\n\n  * {said}\n\n -- A Person <a@example.org>  {made}\n"


def listed(*what: str) -> set[str]:
    """The names of aptly's snapshots or mirrors."""
    return set(docker(*APTLY, *what, "list", "-raw").split())


@pytest.fixture
def guest(machine: None) -> Iterator[None]:
    """What is published under the prefix, its snapshots and mirrors go again from the machine's repository."""
    before = {what: listed(what) for what in ("snapshot", "mirror")}
    yield
    docker(*APTLY, "publish", "drop", "-skip-cleanup", "bookworm", PREFIX)
    docker(*APTLY, "repo", "remove", "main", "shop")
    for what, names in before.items():
        for name in sorted(listed(what) - names):
            docker(*APTLY, what, "drop", "-force", name)
    docker("exec", MACHINE, "rm", "--recursive", f"/var/lib/aptly/public/{PREFIX}")


@pytest.fixture
def build(tmp_path: Path) -> Path:
    """A folder as build/ is, with one package of ours."""
    folder = tmp_path / "build"
    (folder / "packages").mkdir(parents=True)
    shutil.copytree(checkout.BUILD / "keys", folder / "keys")
    deb = small_debs.write(folder / "packages", "shop", "1.0-1")
    (folder / "packages" / "packages.json").write_text(json.dumps([{**asdict(deb), "file": deb.file_name}]))
    return folder


def play(build: Path, *names: str, **variables: Any) -> str:
    """Run playbooks on the local estate, for this folder, this prefix and this distribution; what they said."""
    given = {"publish_build": str(build), "patch_build": str(build), "aptly_prefix": PREFIX, "repository_url": f"http://repository/{PREFIX}"}
    given |= {"aptly_mirror_suites": [{"url": "http://127.0.0.1/upstream", "suite": "bookworm"}], "aptly_mirror_packages": ["web", "libone"]}
    given |= {"aptly_mirror_keyring": f"{FOLDER}/keyring.gpg", "patch_tree": f"/var/lib/aptly/public/{PREFIX}", **variables}
    command = [Path(sys.executable).parent / "ansible-playbook", "-i", "inventories/local", *[f"playbooks/{name}.yml" for name in names]]
    done = subprocess.run([*command, "--extra-vars", json.dumps(given)], cwd=checkout.ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    return done.stdout


def snapshot(build: Path) -> dict[str, Any]:
    return dict(json.loads((build / "releases" / "snapshot.json").read_text()))


def test_what_the_distribution_mended_is_named_and_published(guest: None, build: Path) -> None:
    """It stays as it was frozen until the train asks; the former snapshot stays for the way back."""
    begun = [changelog("web", "1.0-1", 400, "Begin."), changelog("libone", "1.0-1", 400, "Begin.")]
    inside("prepare", UPSTREAM)
    inside("upstream", UPSTREAM, json.dumps(begun))
    play(build, "publish_packages")
    first = snapshot(build)
    release = build / "releases" / "first.yml"
    release.write_text(yaml.safe_dump({**REST, **contents(first)}))

    mended = changelog("libone", "1.0-2", 12, "Check the length (CVE-2026-12345).") + begun[1]
    inside("upstream", UPSTREAM, json.dumps([changelog("web", "1.1-1", 3, "New colours.") + begun[0], mended]))
    said = play(build, "publish_packages", "patch_report", running=str(release), aptly_mirror_refresh=True)

    versions = {entry["name"]: entry["version"] for entry in snapshot(build)["index"]}
    assert versions == {"web": "1.1-1", "libone": "1.0-2", "shop": "1.0-1"}
    lines = [line.strip(" -'") for line in said.splitlines()]
    assert "1 security fix open, the oldest for 12 days" in lines
    assert "libone  1.0-1 → 1.0-2   12 days  CVE-2026-12345" in lines
    assert "1 other update: web 1.1-1" in lines
    assert {first["snapshot"], snapshot(build)["snapshot"]} <= listed("snapshot")


def test_the_train_takes_it_on_to_dev_and_no_further() -> None:
    """From the mirror's refresh on, in this order."""
    plays = yaml.safe_load((checkout.ROOT / "playbooks" / "patch.yml").read_text())
    parts = [(play["ansible.builtin.import_playbook"].removesuffix(".yml"), play.get("vars", {})) for play in plays]
    assert parts == [
        ("build_packages", {}),
        ("publish_packages", {"aptly_mirror_refresh": True}),
        ("patch_report", {}),
        ("bake_image", {}),
        ("release", {}),
        ("deploy", {"only": ["dev"]}),
    ]
