"""Where images are baked there is the repository and nothing else; and it has all that any machine installs."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest
import yaml

from ansible_collections.twine.platform.plugins.module_utils._packages.closure import closure, required
from ansible_collections.twine.platform.plugins.module_utils._packages.entry import Entry
from tools import checkout

from .conftest import fresh, only_ours

RECORD = checkout.BUILD / "releases" / "snapshot.json"
DECLARED: dict[str, list[str]] = yaml.safe_load((checkout.ROOT / "roles" / "packages.yml").read_text())
DEFINED = {path.parent.name for path in checkout.ROOT.glob("packages/*/package.yml")}


@pytest.fixture(scope="module")
def published() -> Any:
    """The record of what is published; published first where nothing is, or not what the tree defines."""
    recorded = set(json.loads(RECORD.read_text())["packages"]) if RECORD.exists() else set()
    if recorded != DEFINED or fresh(only_ours()).returncode:
        done = subprocess.run(["make", "published"], cwd=checkout.ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return json.loads(RECORD.read_text())


def test_no_other_source_is_reached(published: Any) -> None:
    """The archive answers on the network where packages are built, and not on the one where images are baked."""
    archive = "$(apt-get update --print-uris | sed --quiet \"s,^'http://\\([^/]*\\)/.*,\\1,p\" | head --lines=1)"
    ask = f"timeout 4 python3 -c 'import socket, sys; socket.create_connection((sys.argv[1], 80), 3)' {archive}"
    assert fresh(ask, "build").returncode == 0
    assert fresh(ask).returncode != 0


def test_everything_that_machines_install_comes_from_the_snapshot(published: Any) -> None:
    """What the base image has is brought to the snapshot's versions, as a bake does; then all is installed, in a simulation.

    What a machine then has is what the bake key knows: our resolution is apt's.
    """
    names = sorted({*published["packages"], *(name for listed in DECLARED.values() for name in listed)})
    pin = r"printf 'Package: *\nPin: origin \"repository\"\nPin-Priority: 1001\n' > /etc/apt/preferences.d/test"
    apt = "apt-get --quiet=2 --simulate --no-install-recommends --allow-downgrades"
    had = "dpkg-query --show --showformat 'Had ${Package}\\n'"
    done = fresh(f"{only_ours()} && {pin} && {apt} dist-upgrade && {apt} install {' '.join(names)} && {had}")
    assert done.returncode == 0, done.stderr[-2000:]
    machines = {line.split()[1] for line in done.stdout.splitlines() if line.startswith(("Inst ", "Had "))}
    index = [Entry.from_data(entry) for entry in published["index"]]
    resolved = closure(index, [*names, *required(index)], "amd64")
    assert resolved.missing == ()
    assert machines == resolved.packages.keys()
    assert {"twine", "nginx", "redis-server", "openjdk-17-jre-headless"} <= machines


def test_the_record_says_all_that_the_snapshot_holds(published: Any) -> None:
    assert published["packages"].keys() == DEFINED
    assert {"libc6", "nginx"} <= {entry["name"] for entry in published["index"]}
    assert published["distribution"].startswith("debian-")
