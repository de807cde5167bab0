"""The last word of a bake: nothing of the machine it was made on is in the image, or the bake fails and says what is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PROOF = ROOT / "roles/image/files/prove-sealed"
KEY = "-----BEGIN OPENSSH " + "PRIVATE KEY-----\n"

LEFTOVERS = {
    "etc/ssh/ssh_host_ed25519_key": "",
    "etc/ssh/ssh_host_rsa_key.pub": "",
    "etc/machine-id": "4ac1\n",
    "var/lib/dbus/machine-id": "4ac1\n",
    "var/lib/systemd/random-seed": "seed",
    "var/lib/systemd/credential.secret": "secret",
    "var/lib/cloud/instances/i-1/user-data.txt": "",
    "var/lib/cloud/sem/config_scripts_per_once.once": "",
    "var/lib/cloud/data/result.json": "{}",
    "root/.ssh/authorized_keys": "ssh-ed25519 AAAA builder\n",
    "home/admin/.ssh/authorized_keys": "ssh-ed25519 AAAA builder\n",
    "opt/service/anything": KEY,
    "var/lib/service/tls.pem": KEY,
    "run/machine/machine.env": "",
    "etc/machine/secrets/password": "",
    "etc/elasticsearch/elasticsearch.keystore": "",
    "root/.pgpass": "",
    "root/.netrc": "",
    "root/.aws/credentials": "",
    "home/admin/.gnupg/trustdb.gpg": "",
    "root/.docker/config.json": "",
    "root/.bash_history": "",
    "home/admin/.python_history": "",
    "root/.viminfo": "",
    "root/.ssh/known_hosts": "",
    "var/log/journal/4ac1/system.journal": "LPKSHHRH",
    "var/log/syslog": "line",
    "var/lib/systemd/coredump/core.nginx.zst": "core",
    "var/lib/systemd/timers/stamp-fstrim.timer": "",
    "var/lib/systemd/linger/admin": "",
    "var/mail/root": "From cron",
    "var/lib/redis/dump.rdb": "REDIS0010",
    "var/lib/apt/lists/archive.example.org_InRelease": "",
    "var/cache/apt/archives/nginx_1_amd64.deb": "",
    "var/cache/apt/pkgcache.bin": "",
    "var/lib/dhcp/dhclient.eth0.leases": "",
    "var/lib/NetworkManager/internal-1.lease": "",
    "etc/nginx/nginx.conf.dpkg-old": "",
    "etc/nginx/nginx.conf~": "",
    "etc/shadow": "root:*:::::::\nredis:!:20787::::::\n",
    "etc/shadow-": "root:*:1\n",
    "usr/sbin/policy-rc.d": "",
}
HARMLESS = {
    "etc/machine-id": "",
    "etc/passwd": "root:x:0:0::/root:/bin/bash\n",
    # The day counts where there is a password: it ages.
    "etc/shadow": "root:*:::::::\nadm:!*:::::::\noperator:$y$j9T$x:20787:0:99999:7:::\n",
    "etc/ssh/sshd_config": "",
    "etc/ssl/certs/ca.pem": "-----BEGIN CERTIFICATE-----\n",
    "var/log/nginx/access.log": "",
    "var/lib/systemd/timesync/clock": "",
    "home/operator/.ssh/authorized_keys": "ssh-ed25519 AAAA operator\n",
}


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def prove(root: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["sh", str(PROOF), str(root)], capture_output=True, text=True, check=False)


@pytest.fixture
def sealed(tmp_path: Path) -> Path:
    return write(tmp_path / "root", HARMLESS)


def test_a_sealed_image_passes(sealed: Path) -> None:
    done = prove(sealed)
    assert done.returncode == 0 and done.stdout.startswith("The image is sealed"), done.stderr


@pytest.mark.parametrize("name", LEFTOVERS)
def test_one_leftover_fails_the_bake_and_is_named(sealed: Path, name: str) -> None:
    write(sealed, {name: LEFTOVERS[name]})
    done = prove(sealed)
    assert done.returncode == 1
    assert f"/{name}" in done.stderr.splitlines() or f"/{name.rpartition('/')[0]}" in done.stderr.splitlines()


def test_what_ansible_and_the_builder_left_is_removed(sealed: Path) -> None:
    left = ["root/.ansible/tmp/x", "tmp/script.sh", "tmp/.hidden", "var/tmp/y", "home/admin/.ansible/z"]
    left += ["var/log/wtmp", "var/log/btmp", "var/log/lastlog"]
    write(sealed, dict.fromkeys(left, "x"))
    assert prove(sealed).returncode == 0
    assert not any((sealed / name).exists() for name in left)


def test_a_root_that_is_not_there_is_no_proof(tmp_path: Path) -> None:
    assert prove(tmp_path / "nowhere").returncode != 0


@pytest.mark.parametrize("phase", ["live", "boot"])
def test_a_machine_that_lives_is_not_sealed(tmp_path: Path, phase: str) -> None:
    role = {"role": "twine.platform.image", "vars": {"image_phase": phase}}
    (tmp_path / "play.json").write_text(json.dumps([{"hosts": "localhost", "connection": "local", "gather_facts": False, "roles": [role]}]))
    # In check mode nothing is sealed, even if the refusal should fail.
    command = [str(Path(sys.executable).parent / "ansible-playbook"), "--check", "-i", "localhost,", str(tmp_path / "play.json")]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, "ANSIBLE_NOCOLOR": "1"}, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert f"Failed to seal localhost: its phase is {phase}" in " ".join(done.stdout.split())
