"""A Jenkins whose estate is small: four accounts of a plain emulator, a stack or two in each, and the repository of this checkout."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.jenkins.jenkins import HERE, Jenkins, Language
from tests.scenarios.stacks.conftest import cloud, emulator
from tests.scenarios.stacks.estate import ACCOUNTS, EXTERNAL_ID, OPERATOR_ACCOUNT, REGION, Cloud
from tools import checkout

__all__ = ["cloud", "emulator"]

JARS = checkout.BUILD / "tools" / "jenkins"
VARIABLES = {"ESTATE": "pipelines", "NOTIFY": "ops@example.org", "APPROVERS": "ada,bob"}


def jars() -> list[Path]:
    """What pom.xml names, from Maven Central, each with the digest that jars.sha256 says."""
    digests = dict(reversed(line.split()) for line in (HERE / "jars.sha256").read_text().splitlines())
    if {path.name for path in JARS.glob("*.jar")} != set(digests):
        shutil.rmtree(JARS, ignore_errors=True)
        command = ["mvn", "--batch-mode", "--quiet", "--file", str(HERE / "pom.xml"), "dependency:copy-dependencies", f"-DoutputDirectory={JARS}"]
        subprocess.run(command, check=True)
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in JARS.glob("*.jar")}
    assert found == digests
    return [JARS / name for name in sorted(found)]


def equipper(cloud: Cloud) -> Callable[[Path], None]:
    """Puts the estate `pipelines` into a tree: as inventories/local, but for the endpoint and what there is in an account."""

    def equip(tree: Path) -> None:
        estate = tree / "inventories" / "pipelines"
        shutil.copytree(checkout.ROOT / "inventories" / "local", estate, symlinks=False)
        for name in ("environments", "bastions", "domains"):
            shutil.rmtree(estate / "group_vars" / name)
        for name, number in ACCOUNTS.items():
            variables = {"account_id": number, "account_admin_profile": f"admin-{name}", "stacks": ["{{ account_access_stack }}", APPLICATION]}
            variables |= {"account_release_signers": str(cloud.folder / "allowed_signers")} if name == "prod" else {}
            (estate / "host_vars" / name / "account.yml").write_text(json.dumps(variables))
        (estate / "group_vars" / "all" / "pipelines.yml").write_text(
            json.dumps(
                {
                    "estate_region": REGION,
                    "estate_operator_arn": f"arn:aws:iam::{OPERATOR_ACCOUNT}:user/operator",
                    "estate_external_id": EXTERNAL_ID,
                    "estate_endpoint_url": cloud.endpoint,
                    "estate_credentials_file": str(cloud.credentials),
                    "estate_operator_profile": "operator",
                    "stacks_state_dir": str(cloud.folder / "state"),
                }
            )
        )
        repository = estate / "repository.yml"
        repository.write_text(repository.read_text().replace("(inventory_dir ~ '/../..') | realpath | hash", f"'{checkout.ROOT.resolve()}' | hash"))

    return equip


APPLICATION = {"name": "application", "template": "zone.yml", "parameters": {"Domain": "{{ inventory_hostname }}.example.org"}}


@pytest.fixture(scope="session")
def language() -> Iterator[Language]:
    """Java with Groovy and the two libraries."""
    found = Language(["java", "-cp", ":".join(map(str, jars())), "groovy.ui.GroovyMain"])
    yield found
    found.close()


def signer(folder: Path) -> Callable[[Path], str]:
    """Signs a release as somebody whom the account prod allows; no agent has that key."""
    key = folder / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "ada", "-f", str(key)], check=True)
    (folder / "allowed_signers").write_text(f"ada {key.with_suffix('.pub').read_text()}")

    def signed(path: Path) -> str:
        command = ["ssh-keygen", "-Y", "sign", "-q", "-n", "twine.platform.release", "-f", str(key)]
        return subprocess.run(command, input=path.read_text(), capture_output=True, text=True, check=True).stdout

    return signed


@pytest.fixture
def sign(cloud: Cloud) -> Callable[[Path], str]:
    """A signer for those accounts."""
    return signer(cloud.folder)


@pytest.fixture
def jenkins(language: Language, cloud: Cloud, tmp_path: Path) -> Jenkins:
    """A Jenkins that has built nothing yet."""
    return Jenkins(language, tmp_path / "jenkins", VARIABLES, equipper(cloud))
