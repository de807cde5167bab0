"""The patch train, by the playbook that runs it: the distribution mends something; it is published, named, and would be baked and deployed.

Then production runs what was mended, and goes back to the release before, whose package the distribution has no more.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.twine.platform.plugins.module_utils._aws.accounts import Accounts
from ansible_collections.twine.platform.plugins.module_utils._images.bake_key import key_of
from ansible_collections.twine.platform.plugins.module_utils._images.bakery import Bakery
from ansible_collections.twine.platform.plugins.module_utils._packages.tree import file_digests
from ansible_collections.twine.platform.plugins.modules import image_bake
from tests.integration.jenkins.conftest import equipper, signer
from tests.integration.jenkins.jenkins import place
from tests.scenarios.stacks.conftest import empty, emulator
from tests.scenarios.stacks.estate import Cloud, standing
from tools import checkout, source

from .conftest import FOLDER, MACHINE, answer, docker, fresh, inside, only_ours, start

__all__ = ["emulator"]

UPSTREAM = f"{FOLDER}/upstream"
APTLY = ["exec", MACHINE, "runuser", "-u", "aptly", "--", "aptly", "-config=/etc/aptly.conf"]
# Where this test publishes, beside what the machine has published.
PREFIX = "patched"
PROD = f"{PREFIX}/prod"
TREE = f"/var/lib/aptly/public/{PREFIX}"
# Every machine has it, and it depends on nothing.
MENDED = "netbase"
BEGUN = "98.0"
IMAGE = "bastion"
DEFINED: dict[str, Any] = yaml.safe_load((checkout.ROOT / "playbooks" / "bake_image.yml").read_text())[0]["vars"]["bake_machines"][IMAGE]
# Stands for the application in prod: machines of the release's image, none of which is wanted yet.
MACHINES = """\
Parameters:
  ImageId: {Type: "AWS::EC2::Image::Id"}
Resources:
  Template: {Type: "AWS::EC2::LaunchTemplate", Properties: {LaunchTemplateData: {ImageId: {Ref: ImageId}}}}
  Group:
    Type: AWS::AutoScaling::AutoScalingGroup
    Properties:
      MinSize: "0"
      MaxSize: "2"
      AvailabilityZones: {Fn::GetAZs: ""}
      LaunchTemplate: {LaunchTemplateId: {Ref: Template}, Version: {Fn::GetAtt: [Template, LatestVersionNumber]}}
Outputs:
  GroupName: {Value: {Ref: Group}}
"""


def changelog(version: str, days: int, said: str) -> str:
    """A Debian changelog with one entry, so many days old."""
    made = format_datetime(datetime.now(UTC) - timedelta(days=days, hours=1))
    return f"{MENDED} ({version}) bookworm; urgency=medium\n\n  * {said}\n\n -- A Person <a@example.org>  {made}\n"


def listed(*what: str) -> set[str]:
    """The names of aptly's snapshots or mirrors."""
    return set(docker(*APTLY, *what, "list", "-raw").split())


@dataclass(frozen=True)
class Train:
    """A checkout with a build folder of its own, in which an image was baked and a release made, and the accounts where it is deployed."""

    tree: Path
    cloud: Cloud

    def play(self, *names: str, check: bool = False, **variables: Any) -> tuple[int, str]:
        """Run playbooks for this estate, this prefix, and a distribution that has a security suite; their exit code and what they said."""
        suites = [{"url": url, "suite": "bookworm"} for url in ("http://127.0.0.1/", "http://127.0.0.1/upstream")]
        below = f"{PREFIX}{{{{ '/' ~ snapshot_prefix if snapshot_prefix is defined else '' }}}}"
        given = {"aptly_prefix": below, "repository_url": f"http://repository/{PREFIX}/", "patch_tree": TREE, "aptly_mirror_suites": suites}
        given |= {"aptly_mirror_keyring": f"{FOLDER}/keyring.gpg", "images": [IMAGE], "release_images": [IMAGE], **variables}
        command = [Path(sys.executable).parent / "ansible-playbook", "-i", "inventories/pipelines", *[f"playbooks/{name}.yml" for name in names]]
        command += ["--extra-vars", json.dumps(given), *(["--check", "--diff"] if check else [])]
        done = subprocess.run(command, cwd=self.tree, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    @property
    def releases(self) -> Path:
        return self.tree / "build" / "releases"

    def prod(self, service: str) -> Any:
        return Accounts(self.cloud.accounts(), self.cloud.operator()).client("prod", service, "account")

    def launched(self) -> str:
        """The image of the machines that prod would launch now."""
        [group] = self.prod("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
        template = group["LaunchTemplate"]
        found = self.prod("ec2").describe_launch_template_versions(LaunchTemplateId=template["LaunchTemplateId"], Versions=[template["Version"]])
        return str(found["LaunchTemplateVersions"][0]["LaunchTemplateData"]["ImageId"])

    def snapshot(self) -> dict[str, Any]:
        return dict(json.loads((self.releases / "snapshot.json").read_text()))

    def baked(self) -> None:
        """Leave the record that the bake of this very snapshot leaves, and an image in prod."""
        bakery = Bakery(
            run_command=run_command,
            checkout=self.tree,
            inventory=self.tree / "inventories" / "pipelines",
            records=self.tree / "build" / "images",
            packer=str(self.tree / "build" / "tools" / "bin" / "packer"),
            ansible_playbook=str(Path(sys.executable).parent / "ansible-playbook"),
            prefix="",
            network="",
            base="twine/base:bookworm",
        )
        inputs = image_bake.all_inputs(bakery, {"snapshot": self.snapshot(), "images": {IMAGE: DEFINED}, "architecture": "amd64"})[IMAGE]
        key = key_of(inputs)
        record = {"bake_key": key, "image_id": self.prod("ec2").register_image(Name=key)["ImageId"], "inputs": inputs}
        bakery.records.mkdir(exist_ok=True)
        (bakery.records / f"{IMAGE}.json").write_text(json.dumps(record))

    def state(self) -> tuple[Any, ...]:
        """All that the train could write to."""
        shown = docker("exec", MACHINE, "find", TREE, "-type", "f", "-printf", "%P %s %T@\n")
        built = {name: digest for name, digest in file_digests(self.tree / "build").items() if not name.startswith("tools/")}
        return listed("snapshot"), listed("mirror"), listed("publish"), sorted(shown.splitlines()), built, standing(self.cloud)


def run_command(command: list[str], **options: Any) -> tuple[int, str, str]:
    done = subprocess.run(command, cwd=options["cwd"], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def guest(machine: None, repository: Path) -> Iterator[None]:
    """What is published under the prefix, its snapshots and mirrors go again from the machine's repository."""
    before = {what: listed(what) for what in ("snapshot", "mirror")}
    yield
    for prefix in {PROD, PREFIX} & listed("publish"):
        docker(*APTLY, "publish", "drop", "-skip-cleanup", "bookworm", prefix)
    for what, names in before.items():
        for name in sorted(listed(what) - names):
            docker(*APTLY, what, "drop", "-force", name)
    docker("exec", MACHINE, "rm", "--recursive", TREE)


@pytest.fixture(scope="module")
def empty_train(repository: Path, emulator: str, tmp_path_factory: pytest.TempPathFactory) -> Train:
    """A checkout in which the packages are built as they are here, and nothing is published."""
    folder = tmp_path_factory.mktemp("train")
    cloud = empty(emulator, folder)
    tree = source.copy(folder)
    equipper(cloud)(tree)
    prod = tree / "inventories" / "pipelines" / "host_vars" / "prod" / "account.yml"
    machines = folder / "machines.yml"
    machines.write_text(MACHINES)
    application = {"name": "application", "template": str(machines), "parameters": {"ImageId": f"{{{{ account_images['{IMAGE}'] }}}}"}}
    prod.write_text(json.dumps(json.loads(prod.read_text()) | {"stacks": ["{{ account_access_stack }}", application]}))
    (tree / "build" / "tools").mkdir(parents=True)
    (tree / "build" / "tools" / "bin").symlink_to(checkout.BINARIES)
    shutil.copytree(repository / "packages", tree / "build" / "packages", ignore=shutil.ignore_patterns("work", ".lock"), copy_function=place)
    shutil.copytree(repository / "keys", tree / "build" / "keys", ignore=lambda _folder, names: set(names) - {"archive-keyring.asc"})
    return Train(tree, cloud)


@dataclass(frozen=True)
class Told:
    """A run: what it said, and the record of the snapshot that it left."""

    train: Train
    code: int
    said: str
    left: dict[str, Any]

    def lines(self) -> list[str]:
        return [line.strip(" -',\"") for line in self.said.splitlines()]


@pytest.fixture(scope="module")
def begun(guest: None, empty_train: Train) -> tuple[Told, str]:
    """A release runs in dev; its security suite has nothing newer. Somebody else had the repository's turn at first, who is named."""
    inside("prepare", UPSTREAM)
    inside("upstream", UPSTREAM, json.dumps([changelog(BEGUN, 400, "Begin.")]))
    holder = start("hold", "/var/lib/aptly")
    assert holder.stdout and holder.stdout.readline() == "held\n"
    code, said = empty_train.play("publish_packages")
    assert code == 0, said[-3000:]
    empty_train.baked()
    released, more = empty_train.play("release", "deploy", only=["dev"])
    assert released == 0, more[-3000:]
    return Told(empty_train, code, said, empty_train.snapshot()), answer(holder)


@pytest.fixture(scope="module")
def stopped(begun: tuple[Told, str]) -> Told:
    """The security suite mends something, and the train begins; a bake that fails stops it."""
    train = begun[0].train
    inside("upstream", UPSTREAM, json.dumps([changelog("99.0", 12, "Check the length (CVE-2026-12345).") + changelog(BEGUN, 400, "Begin.")]))
    code, said = train.play("patch", bake_machines={IMAGE: {**DEFINED, "packages": ["absent"]}})
    return Told(train, code, said, train.snapshot())


def entry(record: dict[str, Any]) -> dict[str, str]:
    """The mended package in a snapshot."""
    return next(one for one in record["index"] if one["name"] == MENDED)


def test_who_has_the_turn_is_named_to_who_waited(begun: tuple[Told, str]) -> None:
    told, holder = begun
    assert any(line.endswith(f" s for {holder}.") and "Another came first: publish waited " in line for line in told.lines()), told.said


def test_what_the_distribution_mended_is_published_and_named(begun: tuple[Told, str], stopped: Told) -> None:
    """The former snapshot stays for the way back."""
    before = entry(begun[0].left)["version"]
    assert (before, entry(stopped.left)["version"]) == (BEGUN, "99.0")
    assert {begun[0].left["snapshot"], stopped.left["snapshot"]} <= listed("snapshot")
    assert "1 security fix open, the oldest for 12 days" in stopped.lines(), stopped.said
    assert f"{MENDED}  {before} → 99.0   12 days  CVE-2026-12345" in stopped.lines()
    assert not any("other update" in line for line in stopped.lines())


def test_a_bake_that_fails_stops_the_train_before_the_release(begun: tuple[Told, str], stopped: Told) -> None:
    assert stopped.code != 0
    assert f"Failed to bake image {IMAGE}: the snapshot has no package absent. Build and publish it first." in " ".join(stopped.said.split())
    releases = stopped.train.releases
    assert yaml.safe_load((releases / "current.yml").read_text())["snapshot"] == begun[0].left["snapshot"]
    assert (releases / "dev.yml").resolve() == (releases / "current.yml").resolve()


def test_in_check_mode_it_says_what_it_would_bake_release_and_deploy_and_writes_nothing(begun: tuple[Told, str], stopped: Told) -> None:
    train = stopped.train
    before = train.state()
    code, said = train.play("patch", check=True)
    assert code == 0, said[-3000:]
    assert train.state() == before
    text = " ".join(said.split())
    old, new = (f"{one['version']} {one['sha256'][:12]}" for one in (entry(begun[0].left), entry(stopped.left)))
    assert f"would be baked, because package {MENDED}: {old} → {new}" in text
    assert "dev/application" in text


def test_the_train_takes_it_on_to_dev_and_no_further() -> None:
    """From the mirror's refresh on, in this order."""
    plays = yaml.safe_load((checkout.ROOT / "playbooks" / "patch.yml").read_text())
    parts = [(play["ansible.builtin.import_playbook"].removesuffix(".yml"), play.get("vars", {})) for play in plays]
    assert parts == [
        ("build_packages", {}),
        ("publish_packages", {"aptly_mirror_refresh": True}),
        ("patch_report", {}),
        ("bake_image", {}),
        ("release", {}),
        ("deploy", {"only": ["dev"]}),
    ]


@dataclass(frozen=True)
class Back:
    """Prod before and after its way back: the image that is launched, the version that a machine installs, the snapshots that are shown."""

    before: tuple[str, str]
    after: tuple[str, str]
    shown: str
    images: list[str]


def installed(prefix: str) -> str:
    """The version that a machine installs which reaches what is published there, and nothing else."""
    show = f"apt-get install --quiet=2 --yes {MENDED} >&2 && dpkg-query --show --showformat '${{Version}}' {MENDED}"
    done = fresh(f"{only_ours(prefix)} >&2 && {show}")
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def back(begun: tuple[Told, str], stopped: Told) -> Back:
    """What was mended is baked after all, released, signed, and runs in prod, which then goes back to the release before it."""
    train, sign = stopped.train, signer(stopped.train.cloud.folder)
    train.baked()
    files = [(train.releases / "current.yml").resolve()]
    code, said = train.play("release")
    assert code == 0, said[-3000:]
    files.append((train.releases / "current.yml").resolve())
    for file in files:
        file.with_name(f"{file.name}.sig").write_text(sign(file))
    code, said = train.play("deploy", "switch_snapshot", only=["prod"], snapshot_prefix="prod")
    assert code == 0, said[-3000:]
    before = train.launched(), installed(PROD)
    code, said = train.play("roll_back", environment_name="prod", release_file=str(files[0]))
    assert code == 0, said[-3000:]
    shown = next(line for line in docker(*APTLY, "publish", "list").splitlines() if f" {PROD}/bookworm " in line)
    images = [yaml.safe_load(file.read_text())["images"][IMAGE] for file in files]
    assert (train.releases / "prod.yml").resolve() == files[0]
    return Back(before, (train.launched(), installed(PROD)), shown, images)


def test_prod_goes_back_to_the_earlier_image_and_snapshot(begun: tuple[Told, str], back: Back) -> None:
    assert [back.before[0], back.after[0]] == back.images[::-1]
    assert back.images[0] != back.images[1] and begun[0].left["snapshot"] in back.shown


def test_the_earlier_release_installs_what_the_distribution_has_no_more(back: Back) -> None:
    held = docker("exec", MACHINE, "find", f"{UPSTREAM}/public/pool", "-name", f"{MENDED}_*", "-printf", "%f\n").split()
    assert held == [f"{MENDED}_99.0_all.deb"]
    assert (back.before[1], back.after[1]) == ("99.0", BEGUN)
