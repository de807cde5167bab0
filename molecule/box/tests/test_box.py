"""What a box has more: a way in for who works on it, and programs that refuse what they cannot do."""

from __future__ import annotations

import pytest
from testinfra.host import Host


def test_its_account_becomes_root_and_has_no_password(host: Host) -> None:
    """As Vagrant wants it: by key, then by sudo."""
    assert host.check_output("runuser --user vagrant -- sudo --non-interactive id --user --name") == "root"
    assert host.user("vagrant").password == "*"
    assert host.file("/home/vagrant/.ssh/authorized_keys").mode == 0o600


@pytest.mark.parametrize("unit", ["box-first-boot", "systemd-networkd", "systemd-resolved"])
def test_what_makes_it_a_machine_of_its_own_begins_at_the_next_boot(host: Host, unit: str) -> None:
    """Enabled; the container keeps the network that it has."""
    assert host.service(unit).is_enabled
    assert not host.service(unit).is_running


def test_the_first_boot_says_what_it_lacks(host: Host) -> None:
    """Without a database there is no configuration, and the unit's log says why."""
    assert host.run("systemctl start box-first-boot.service").rc != 0
    assert "Failed to make the database" in host.check_output("journalctl --unit=box-first-boot --no-pager")
    assert not host.file("/etc/machine/machine.env").exists


def test_a_folder_without_code_is_no_source(host: Host) -> None:
    """Nothing is switched then."""
    refused = host.run("box-source on /srv")
    assert refused.rc == 1
    assert "is no folder of the application's code" in refused.stderr
    assert host.check_output("box-source status") == "package /usr/lib/twine/twine"
