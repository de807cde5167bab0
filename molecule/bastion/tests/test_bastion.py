"""The only way in: on to a machine's port 22, nowhere else, no shell, by key.

The machine stands for both ends: the bastion on loopback, the machine behind it on the container's own address.
"""

from __future__ import annotations

import pytest
from testinfra.backend.base import CommandResult
from testinfra.host import Host

OPTIONS = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o BatchMode=yes -o ConnectTimeout=5 -F none"


def ssh(host: Host, user: str, arguments: str, key: str | None = None) -> CommandResult:
    """Knock at the bastion as a user, with the key of that name."""
    return host.run(f"timeout 20 ssh {OPTIONS} -i /root/{key or user} {user}@127.0.0.1 {arguments} < /dev/null")


def test_passenger_reaches_a_machine_through_the_bastion(host: Host) -> None:
    """ProxyJump: who holds a key of both ends up on the machine."""
    address = host.check_output("hostname --ip-address").split()[0]
    jump = f"ssh {OPTIONS} -i /root/passenger -W %h:%p passenger@127.0.0.1"
    arrived = host.run(f"timeout 20 ssh {OPTIONS} -o 'ProxyCommand={jump}' -i /root/operator operator@{address} sudo id --user")
    assert (arrived.rc, arrived.stdout.strip()) == (0, "0"), arrived.stderr


def test_passenger_gets_no_shell(host: Host) -> None:
    """A command on the bastion is refused, and says so."""
    answer = ssh(host, "passenger", "id")
    assert answer.rc != 0
    assert "not available" in answer.stdout


@pytest.mark.parametrize("target", ["127.0.0.1:80", "127.0.0.1:5432", "169.254.169.254:80"])
def test_passenger_reaches_nothing_but_port_22(host: Host, target: str) -> None:
    """The bastion is no way to a database, nor to the instance's identity."""
    answer = ssh(host, "passenger", f"-W {target}")
    assert answer.rc != 0
    assert "prohibited" in answer.stderr


def test_passenger_opens_no_port_on_the_bastion(host: Host) -> None:
    """Nothing leads back."""
    answer = ssh(host, "passenger", "-o ExitOnForwardFailure=yes -N -R 8022:127.0.0.1:22")
    assert answer.rc != 0
    assert "remote port forwarding failed" in answer.stderr


@pytest.mark.parametrize(("user", "key"), [("passenger", "stranger"), ("dismissed", "dismissed"), ("root", "operator")])
def test_others_are_refused(host: Host, user: str, key: str) -> None:
    """A wrong key, someone whose access was taken back, and root do not get in."""
    answer = ssh(host, user, "id", key)
    assert answer.rc != 0
    assert "Permission denied (publickey)" in answer.stderr


def test_banner_is_shown_before_login(host: Host) -> None:
    """Who knocks reads where they are."""
    assert "You are at the bastion" in ssh(host, "passenger", "id").stderr


def test_the_key_that_was_used_is_logged(host: Host) -> None:
    """Who passed can be told afterwards."""
    fingerprint = host.check_output("ssh-keygen -l -f /root/passenger.pub").split()[1]
    ssh(host, "passenger", "id")
    assert fingerprint in host.check_output("journalctl --unit ssh --output cat")
