"""The developer's box boots: the very disk that Vagrant gets, in a virtual machine, to Twine's first good answer, and what then holds in it."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.twine.platform.plugins.module_utils._images import manifest
from tests.support.virtual_machine import Machine, running
from tools import box, checkout, qemu

SOURCE = checkout.ROOT / "packages" / "twine" / "src"
# Without the processor's own virtualization everything takes about ten times as long, and other tests run beside it.
BOOT_SECONDS = 900
# Emulated, Java would keep both processors busy for minutes, and may die of it; molecule/twine tries search on such a machine.
WITHOUT = () if qemu.virtualizes() else ("/etc/box/without-search",)
# Where a machine keeps lists of its parts, and what it says of its own bake; a box has more parts.
GROWN = {
    *("/etc/group", "/etc/gshadow", "/etc/passwd", "/etc/shadow", "/etc/subgid", "/etc/subuid", "/etc/ld.so.cache", "/var/lib/apt/extended_states"),
    *(f"/usr/lib/twine-machine/{name}.json" for name in ("image", "package-modes", "provenance", "warm")),
    "/var/cache/twine/warm.json",
    # Group ssl-cert may enter it, for PostgreSQL's key.
    "/etc/ssl/private",
}
LISTS = ("/var/cache/debconf/", "/var/lib/dpkg/", "/var/lib/ucf/")


@pytest.fixture(scope="module")
def disk(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The disk out of the box for libvirt, as Vagrant unpacks it."""
    done = subprocess.run(["make", "box"], cwd=checkout.ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    folder = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(box.FOLDER / "libvirt.box") as archive:
        archive.extractall(folder, filter="data")
    assert json.loads((folder / "metadata.json").read_text())["provider"] == "libvirt"
    return folder / "box.img"


@pytest.fixture(scope="module")
def machine(disk: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine of it that answers."""
    with running(disk, tmp_path_factory.mktemp("machine"), WITHOUT) as machine:
        took = machine.wait_for("/ready", BOOT_SECONDS)
        print(f"first good answer after {took:.0f} s, {machine.processor_seconds():.0f} s of processors")
        yield machine
    disk.unlink()


def test_productions_image_is_in_it_byte_for_byte(disk: Path) -> None:
    """Each package at its version, each file as it was, each unit in its state; only the network is the box's own."""
    production, ours = (manifest.load(checkout.BUILD / "images" / f"{name}.manifest.json") for name in ("twine", "box"))
    for part in ("packages", "users", "groups", "environments", "sysctls"):
        assert production[part].items() <= ours[part].items(), part
    assert {unit for unit, state in production["units"].items() if ours["units"].get(unit) != state and "systemd-network" not in unit} == set()
    files = {path: what(file) for path, file in ours["files"].items()}
    moved = {path for path, file in production["files"].items() if files.get(path) != what(file) and not path.startswith(LISTS)}
    assert moved <= GROWN, sorted(moved - GROWN)
    assert len(files) > len(production["files"]) > 10_000


def what(file: dict[str, str]) -> dict[str, str]:
    """A file; of a folder that several packages have one is told."""
    return file | {"origin": ""} if file["type"] == "folder" else file


def test_the_application_is_the_package_of_production(machine: Machine) -> None:
    version = json.loads((checkout.BUILD / "images" / "twine.json").read_text())["packages"]["twine"]
    assert json.loads(machine.get("/health")[1])["version"] == version.rpartition("-")[0]
    assert machine.get("/login")[0] == 200


def test_everything_that_is_needed_answers_on_the_box_itself(machine: Machine) -> None:
    """Database, sessions and cache, by the application's own word; search takes longer, and is left out without KVM."""
    answers = json.loads(machine.get("/ready")[1])["dependencies"]
    assert {name: answers[name] for name in ("database", "sessions", "fragments")} == dict.fromkeys(("database", "sessions", "fragments"), "ok")
    listening = machine.run("ss -Hltn 'sport = :5432 or sport = :6379' | awk '{print $4}'").split()
    assert sorted(listening) == ["127.0.0.1:5432", "127.0.0.1:6379"]


def test_its_files_say_where_they_came_from(machine: Machine) -> None:
    """One of a package, as it came; one of a role."""
    said = machine.run("sudo whence /usr/bin/twine; sudo whence /etc/sudoers.d/box")
    assert "package   twine" in said
    assert "role      box" in said
    assert said.count("as it came") == 2


def test_identity_and_secrets_are_its_own(machine: Machine) -> None:
    """Made when it first booted: the image has none, as its seal says."""
    names = " ".join(f"/etc/machine/secrets/{name}" for name in ("database", "search", "session_key"))
    assert machine.run(f"sudo stat --format '%a %U %G' {names}").splitlines() == ["640 root twine"] * 3
    assert len(machine.run("cat /etc/machine-id").strip()) == 32
    assert "box made its own secrets" in machine.console


def test_nothing_listens_beyond_it_but_the_way_in_and_the_application(machine: Machine) -> None:
    """Search comes later, on the box's private address, too; 5355 is the resolver's."""
    listening = [address for address in machine.run("ss -Hltn | awk '{print $4}'").split() if not address.startswith(("127.", "[::1]"))]
    assert {address.rpartition(":")[2] for address in listening} - {"9200", "9300", "5355"} == {"22", "80"}


def test_no_unit_failed(machine: Machine) -> None:
    assert machine.run("systemctl list-units --state=failed --no-legend --plain").strip() == ""


def test_twine_runs_from_a_working_copy_and_back(machine: Machine) -> None:
    """The developer's source, and all else as in production."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        tar.add(SOURCE, arcname="src", filter=lambda member: None if "__pycache__" in member.name else member)
    machine.run("sudo mkdir -p /srv/twine && sudo tar --extract --gzip --no-same-owner --directory=/srv/twine", archive.getvalue())
    try:
        machine.run("sudo box-source on /srv/twine/src/twine")
        machine.wait_for("/ready", 120)
        assert json.loads(machine.get("/health")[1])["version"] == "0.0.0+checkout"
    finally:
        machine.run("sudo box-source off")
    machine.wait_for("/ready", 120)
    assert json.loads(machine.get("/health")[1])["version"] != "0.0.0+checkout"


def test_it_goes_off_when_told(machine: Machine) -> None:
    """The last one: the machine is gone after it."""
    machine.run("sudo systemctl poweroff --no-block")
    assert machine.process.wait(120) == 0
