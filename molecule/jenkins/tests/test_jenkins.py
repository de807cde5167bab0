"""A Jenkins that is made from files: its secrets are its own, and nothing of it can be edited from inside."""

from __future__ import annotations

import re
import shlex

from testinfra.host import Host

SECRETS = "/etc/jenkins/secrets/controller"


def run_options(host: Host) -> list[str]:
    """The words of `docker run` in the unit."""
    unit = host.file("/etc/systemd/system/jenkins.service").content_string.replace("\\\n", " ")
    return shlex.split(next(line for line in unit.splitlines() if line.startswith("ExecStart=")))


def volumes(host: Host) -> dict[str, str]:
    """What the container sees, by its path there."""
    words = run_options(host)
    pairs = [words[at + 1].split(":", 1) for at, word in enumerate(words) if word == "--volume"]
    return {inside: outside for outside, inside in pairs}


def test_comes_with_the_machine_and_was_not_started_by_its_making(host: Host) -> None:
    assert host.service("jenkins").is_enabled and host.service("docker").is_enabled
    assert not host.service("jenkins").is_running


def test_systemd_takes_the_unit(host: Host) -> None:
    """Also when docker.service is looked up for real."""
    answer = host.run("systemd-analyze verify --man=no jenkins.service")
    assert (answer.rc, answer.stderr) == (0, "")


def test_secrets_are_files_that_the_containers_user_alone_reads(host: Host) -> None:
    assert sorted(host.file(SECRETS).listdir()) == ["repository", "user_ada", "user_root"]
    for name in host.file(SECRETS).listdir():
        file = host.file(f"{SECRETS}/{name}")
        assert (file.mode, file.uid) == (0o400, 1000)
    assert host.file(f"{SECRETS}/user_ada").content_string == "molecule: a password"


def test_the_machines_own_user_1000_does_not_get_at_them(host: Host) -> None:
    """The number means jenkins in the container only."""
    read = f"cat {SECRETS}/user_ada"
    assert host.run(f"setpriv --reuid=1000 --regid=1000 --clear-groups {read}").rc != 0
    assert host.run(read).rc == 0


def test_no_secret_is_in_what_everyone_may_read(host: Host) -> None:
    words = "--recursive --files-with-matches --exclude-dir=secrets --regexp=molecule-root --regexp='a password'"
    assert host.run(f"grep {words} /etc/jenkins /etc/systemd").stdout == ""


def test_each_secret_that_the_configuration_reads_is_there(host: Host) -> None:
    configuration = host.file("/etc/jenkins/casc/jenkins.yaml").content_string
    read = set(re.findall(r"\$\{readFile:/run/secrets/([\w-]+)\}", configuration))
    assert read == {"repository", "user_ada", "user_root"}
    assert volumes(host)["/run/secrets:ro"] == SECRETS


def test_nothing_but_the_records_of_builds_can_be_written_from_inside(host: Host) -> None:
    writable = {inside for inside in volumes(host) if not inside.endswith(":ro")}
    assert writable == {"/var/jenkins_builds", "/var/run/docker.sock"}


def test_its_pages_are_on_loopback_and_it_may_use_docker(host: Host) -> None:
    words = run_options(host)
    assert words[words.index("--publish") + 1] == "127.0.0.1:8080:8080"
    assert int(words[words.index("--group-add") + 1]) == host.group("docker").gid
