"""A sealed image holds nothing of the machine it was made on, and what would hold something is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from testinfra.host import Host

PROOF = (Path(__file__).parents[3] / "roles" / "image" / "files" / "prove-sealed").read_text()


def prove(host: Host) -> tuple[int, str]:
    """The proof's exit code and what it found."""
    done = host.run("sh -c %s", PROOF)
    return done.rc, done.stderr


@pytest.mark.parametrize("path", ["/etc/ssh/ssh_host_ed25519_key", "/root/.bash_history", "/etc/shadow-"])
def test_what_was_left_behind_is_gone(host: Host, path: str) -> None:
    """The seal removed what the preparation put there."""
    assert not host.file(path).exists


def test_the_machine_has_no_identity(host: Host) -> None:
    """An empty machine-id is made anew at the first boot; a missing file would not be."""
    assert host.file("/etc/machine-id").exists and host.file("/etc/machine-id").size == 0


def test_no_account_without_a_password_tells_the_day_of_the_bake(host: Host) -> None:
    """The file is still the system's own, and only it may read it."""
    shadow = host.file("/etc/shadow")
    assert (shadow.user, shadow.group, shadow.mode) == ("root", "shadow", 0o640)
    days = {line.split(":")[2] for line in host.check_output("cat /etc/shadow").splitlines()}
    assert days == {""}


def test_emptied_lists_do_not_look_fresh(host: Host) -> None:
    """The next apt that asks for their age must fetch them."""
    assert host.file("/var/lib/apt/lists").mtime.year == 1970


def test_a_sealed_image_passes(host: Host) -> None:
    """Nothing is found, and the proof says so by its exit code."""
    assert prove(host) == (0, "")


def test_a_private_key_is_found_under_any_name(host: Host) -> None:
    """Its first line gives it away."""
    host.check_output("printf -- '-----BEGIN EC PRIVATE KEY-----\\nx\\n' > /etc/ssl/harmless.conf")
    code, found = prove(host)
    host.check_output("rm /etc/ssl/harmless.conf")
    assert code == 1 and "/etc/ssl/harmless.conf" in found


@pytest.mark.parametrize(
    "path",
    [
        "/etc/ssh/ssh_host_rsa_key",
        "/root/.ssh/authorized_keys",
        "/etc/machine/machine.env",
        "/root/.python_history",
        "/var/log/left.log",
        "/var/lib/apt/lists/left",
        "/etc/left.dpkg-old",
        "/root/.aws/credentials",
        "/var/lib/left.keystore",
    ],
)
def test_each_kind_of_dirt_is_found(host: Host, path: str) -> None:
    """One thing that does not belong there fails the proof, by its path."""
    host.check_output("mkdir -p %s && echo secret > %s", str(Path(path).parent), path)
    code, found = prove(host)
    host.check_output("rm -rf %s", path if "." not in Path(path).parent.name else str(Path(path).parent))
    assert code == 1 and (path in found or str(Path(path).parent) in found)
