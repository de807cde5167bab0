"""What every machine has: whose packages it takes, whom it lets in, what it leaves alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from testinfra.host import Host


def test_our_packages_come_from_our_repository(host: Host) -> None:
    """The repository is trusted for its own key, and its packages are there."""
    assert host.package("twine-archive-keyring").is_installed
    assert "http://repository" in host.check_output("apt-cache policy twine-archive-keyring")
    source = host.file("/etc/apt/sources.list.d/twine.sources").content_string
    assert "BEGIN PGP PUBLIC KEY BLOCK" in source
    assert "Trusted" not in source


def test_no_other_source_is_asked(host: Host) -> None:
    """The archive's lists are gone, its sources are not; what the distribution gives comes from us, an older version too."""
    lists = host.check_output("apt-get indextargets --format '$(SITE)' 'Created-By: Packages'")
    assert set(lists.split()) == {"http://repository"}
    assert host.check_output("grep --recursive --no-filename --only-matching 'bookworm-security' /etc/apt")
    assert "1001" in host.check_output("apt-cache policy openssh-server")


def test_repository_with_another_key_is_refused(host: Host) -> None:
    """Who signs with another key is not believed, and the lists stay as they are."""
    key = "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg"
    source = f"Types: deb\\nURIs: http://repository/\\nSuites: bookworm\\nComponents: main\\n{key}\\n"
    elsewhere = "-o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts=/tmp/elsewhere -o Dir::State::Lists=/tmp/elsewhere/lists"
    host.check_output(f"mkdir --parents /tmp/elsewhere/lists && printf '{source}' > /tmp/elsewhere/twine.sources")
    answer = host.run(f"apt-get update {elsewhere} -o APT::Update::Error-Mode=any")
    host.check_output("rm --recursive /tmp/elsewhere")
    assert answer.rc != 0
    assert "not signed" in answer.stderr or "NO_PUBKEY" in answer.stderr


@pytest.mark.parametrize("unit", ["apt-daily.timer", "apt-daily-upgrade.timer", "apt-daily.service", "apt-daily-upgrade.service"])
def test_nothing_uses_apt_by_itself(host: Host, unit: str) -> None:
    """A machine is what its image says, and nobody starts such a job by mistake."""
    assert host.run(f"systemctl is-enabled {unit}").stdout.strip() == "masked"
    assert not host.service(unit).is_running
    assert "is masked" in host.run(f"systemctl start {unit}").stderr


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("permitrootlogin", "no"),
        ("passwordauthentication", "no"),
        ("kbdinteractiveauthentication", "no"),
        ("allowtcpforwarding", "no"),
        ("x11forwarding", "no"),
        ("maxauthtries", "3"),
    ],
)
def test_sshd_is_closed_but_for_keys(host: Host, setting: str, value: str) -> None:
    """What sshd itself says of its configuration."""
    assert f"{setting} {value}" in host.check_output("sshd -T").splitlines()


def test_operators_come_in_by_key_and_go(host: Host) -> None:
    """Granted, granted with the right to become root, taken back."""
    key = host.file("/home/ada/.ssh/authorized_keys")
    assert (key.mode, key.user) == (0o600, "ada")
    assert host.run("runuser --user ada -- sudo --non-interactive id --user").stdout.strip() == "0"
    assert host.run("runuser --user bob -- sudo --non-interactive id --user").rc != 0
    assert not host.user("dismissed").exists


def test_nobody_logs_in_as_root(host: Host) -> None:
    """Root has no password."""
    assert host.check_output("passwd --status root").split()[1] == "L"


def test_kernel_is_the_hosts(host: Host) -> None:
    """The parameters are written down, and a container does not apply them."""
    assert "vm.swappiness = 1" in host.file("/etc/sysctl.d/99-twine.conf").content_string
    host.check_output("systemctl restart systemd-sysctl")
    assert host.check_output("systemctl show --property ConditionResult --value systemd-sysctl") == "no"


def test_journal_is_kept_and_bounded(host: Host) -> None:
    """It outlives a reboot and does not fill the disk."""
    host.check_output("journalctl --flush")
    assert host.check_output("ls /var/log/journal")
    assert "SystemMaxUse=256M" in host.check_output("systemd-analyze cat-config systemd/journald.conf")


def test_units_that_wait_for_each_other_are_seen(host: Host) -> None:
    """What the health check reads names a circle: a path unit is up before any service, and this one waits for one."""
    circle = {
        "circle.path": "[Unit]\\nAfter=circle.service\\n[Path]\\nPathExists=/circle\\n[Install]\\nWantedBy=multi-user.target\\n",
        "circle.service": "[Service]\\nExecStart=/bin/true\\n[Install]\\nWantedBy=multi-user.target\\n",
    }
    ask = "systemd-analyze verify --man=no default.target 2>&1"
    assert "ordering cycle" not in host.run(ask).stdout
    try:
        for name, text in circle.items():
            host.check_output(f"printf '{text}' >/etc/systemd/system/{name} && systemctl enable --no-reload {name}")
        assert "ordering cycle" in host.run(ask).stdout
    finally:
        host.check_output(f"systemctl disable --no-reload {' '.join(circle)}; cd /etc/systemd/system && rm {' '.join(circle)}")


def test_health_check_tells_of_a_stopped_sshd(host: Host, health_check: Callable[[], str]) -> None:
    """The sentence names the unit and its state."""
    assert health_check() == ""
    host.check_output("systemctl stop ssh")
    said = health_check()
    host.check_output("systemctl start ssh")
    assert "Failed to find ssh.service and systemd-journald.service running" in said
    assert "inactive (dead)" in said
