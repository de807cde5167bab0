"""From a bake's log to one sentence."""

from __future__ import annotations

import pytest

from ansible_collections.twine.platform.plugins.module_utils._images.reasons import MOST_LETTERS, reason, remedy

ANSIBLE = """\
==> image.docker.machine: Provisioning with Ansible...
    image.docker.machine: TASK [twine.platform.common : Install packages] ****
    image.docker.machine: FAILED - RETRYING: [default]: Install packages (5 retries left).
{result}
    image.docker.machine: PLAY RECAP ****
==> image.docker.machine: Killing the container: 0123
Build 'image.docker.machine' errored after 9 seconds 1 millisecond: Error executing Ansible: Non-zero exit status: exit status 2
"""
SEAL = """\
==> image.docker.machine: Failed to seal the image: not in it:
==> image.docker.machine: /etc/a
==> image.docker.machine: /etc/b
==> image.docker.machine: Provisioning step had errors: Running the cleanup provisioner, if present...
Build 'image.docker.machine' errored after 9 seconds: Script exited with non-zero exit status: 1.
"""


def ansible(*result: str) -> str:
    return ANSIBLE.format(result="\n".join(f"    image.docker.machine: {line}" for line in result))


@pytest.mark.parametrize(
    ("log", "why"),
    [
        (
            ansible("fatal: [default]: FAILED! => ", "    changed: false", "    msg: no package nginx?"),
            "task 'common : Install packages': no package nginx",
        ),
        (
            ansible("fatal: [default]: FAILED! => ", "    msg: |-", "        E: Could not get lock", "", "        E: of dpkg.", "    rc: 100"),
            "task 'common : Install packages': E: Could not get lock E: of dpkg",
        ),
        (
            ansible("fatal: [default]: FAILED! => ", "    msg: 'Failed to find sshd hardened: it takes passwords. Look.'"),
            "Failed to find sshd hardened: it takes passwords. Look",
        ),
        (ansible('fatal: [default]: FAILED! => {"msg": "no\\nway", "rc": 1}'), "task 'common : Install packages': no way"),
        (ansible("fatal: [default]: UNREACHABLE! => ", "    changed: false"), "task 'common : Install packages' failed"),
        (
            SEAL,
            "Failed to seal the image: not in it: /etc/a, /etc/b",
        ),
        (
            "Build 'image.docker.machine' errored after 217 milliseconds: Error running container: no such image.\n",
            "Error running container: no such image",
        ),
        ('Error: Unset variable "role"\n\n  on packer/variables.pkr.hcl line 2\n', 'Unset variable "role"'),
        ("", ""),
        ("nothing that anybody knows\n", ""),
    ],
)
def test_what_failed_and_of_what(log: str, why: str) -> None:
    assert reason(log) == why


def test_a_task_that_failed_and_was_tried_again_is_not_the_reason() -> None:
    log = ansible("fatal: [default]: FAILED! => ", "    msg: first") + ansible("fatal: [default]: FAILED! => ", "    msg: last")
    assert reason(log).endswith(": last")


def test_a_reason_is_short() -> None:
    assert len(reason(ansible("fatal: [default]: FAILED! => ", f"    msg: {'a' * 5000}"))) == MOST_LETTERS + 2


@pytest.mark.parametrize(
    ("why", "what"),
    [
        ("E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 7", "holds apt's lock"),
        ("Failed to lock apt for exclusive operation", "holds apt's lock"),
        ("write /x: no space left on device", "Free space"),
        ("You don't have enough free space in /var/cache/apt/archives/.", "Free space"),
        ("E: Failed to fetch http://repository/x  Could not connect", "repository does not answer"),
        ("Error response from daemon: No such container: 0123", "Something removed the machine"),
        ("Group nobodys does not exist", "Read build/images/web.log"),
    ],
)
def test_what_to_do_about_it(why: str, what: str) -> None:
    assert what in remedy(why, "build/images/web.log")
