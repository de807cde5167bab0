"""The application's image as an AMI: baked by Packer in dev, the same as in Docker, found again, copied, reaped; a failed bake leaves nothing."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.twine.platform.plugins.module_utils._stacks import images
from tests.integration.local_cloud.conftest import Stacks, client, docker, until
from tools import checkout

ROLE = "twine"
PROD = "222222222222"
DEBIAN = "136693071363"
NAMES = {"prod": PROD, "dev": "111111111111"}
PLAYBOOK = Path(sys.executable).parent / "ansible-playbook"


def calls(agent: str = "Packer") -> list[dict[str, Any]]:
    """What a program said to EC2, in its order."""
    url = f"http://127.0.0.1:{checkout.ports()['cloud']}/_local_cloud/calls?agent={agent}"
    with urllib.request.urlopen(url, timeout=30) as answer:
        found: list[dict[str, Any]] = json.load(answer)["calls"]
    return found


def play(name: str, **variables: Any) -> subprocess.CompletedProcess[str]:
    command = [str(PLAYBOOK), "-i", "inventories/local", f"playbooks/{name}.yml", "-e", json.dumps(variables)]
    environment = {**os.environ, "ANSIBLE_FORCE_COLOR": "0", "ANSIBLE_NOCOLOR": "1"}
    return subprocess.run(command, cwd=checkout.ROOT, env=environment, capture_output=True, text=True, check=False)


def played(name: str, **variables: Any) -> str:
    done = play(name, **variables)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    # Long messages are printed on several lines.
    return " ".join(done.stdout.split())


def tags(row: dict[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in row.get("Tags", [])}


def left_by_builders() -> dict[str, list[str]]:
    """What of builders is in dev."""
    ec2 = client("dev", "ec2")
    ours = [{"Name": "tag:twine:role", "Values": ["builder"]}]
    instances = [row for one in ec2.describe_instances(Filters=ours)["Reservations"] for row in one["Instances"]]
    return {
        "instances": [row["InstanceId"] for row in instances if row["State"]["Name"] != "terminated"],
        "volumes": [row["VolumeId"] for row in ec2.describe_volumes(Filters=ours)["Volumes"]],
        "keys": [row["KeyName"] for row in ec2.describe_key_pairs(Filters=ours)["KeyPairs"]],
        "groups": [row["GroupName"] for row in ec2.describe_security_groups(Filters=ours)["SecurityGroups"]],
        "images": [row["ImageId"] for row in ec2.describe_images(Owners=["self"], Filters=ours)["Images"]],
    }


NOTHING: dict[str, list[str]] = {"instances": [], "volumes": [], "keys": [], "groups": [], "images": []}


def key(account: str, *readers: str) -> str:
    """A key of an account that other accounts may use."""
    principals = [f"arn:aws:iam::{number}:root" for number in (NAMES[account], *readers)]
    statement = {"Effect": "Allow", "Principal": {"AWS": principals}, "Action": "kms:*", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    return str(client(account, "kms").create_key(Policy=policy)["KeyMetadata"]["KeyId"])


@dataclass(frozen=True)
class Baked:
    """The bake: its record, what Packer said to EC2, and the keys of both accounts."""

    record: dict[str, Any]
    calls: list[dict[str, Any]]
    keys: dict[str, str]

    @property
    def image(self) -> str:
        return str(self.record["image_id"])

    def asked(self, action: str) -> list[dict[str, Any]]:
        return [call["input"] for call in self.calls if call["action"] == action]


def of_the_bake(account: str, record: dict[str, Any]) -> list[str]:
    """The images that an account has of one bake."""
    by_key = [{"Name": "tag:twine:bake-key", "Values": [record["bake_key"]]}]
    return [row["ImageId"] for row in client(account, "ec2").describe_images(Owners=["self"], Filters=by_key)["Images"]]


def ansible(folder: Path, then: str) -> str:
    """An ansible-playbook of a version of its own, which moves the key: what was baked before is not found, and stays."""
    path = folder / "ansible-playbook"
    path.write_text(f'#!/bin/sh\n[ "$1" = --version ] && echo "ansible-playbook [core 2.99.{os.getpid()}-{len(then)}]" && exit\n{then}\n')
    path.chmod(0o755)
    return str(path)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> str:
    return ansible(tmp_path_factory.mktemp("bin"), f'exec {PLAYBOOK} "$@"')


@pytest.fixture(scope="module")
def records() -> Iterator[Path]:
    """The folder of records, which is as it was afterwards."""
    folder = checkout.BUILD / "images"
    before = {path: path.read_bytes() for path in folder.glob(f"{ROLE}.ami.*")}
    yield folder
    for path in folder.glob(f"{ROLE}.ami.*"):
        path.unlink()
    for path, content in before.items():
        path.write_bytes(content)


@pytest.fixture(scope="module")
def baked(stacks: Stacks, records: Path, real: str) -> Iterator[Baked]:
    """Baked once for all tests here; what of it is in the accounts goes with the cloud, or before it."""
    assert (checkout.BUILD / "releases" / "snapshot.json").is_file(), "Nothing is published that could be baked. Run: make published"
    keys = {"dev": key("dev", PROD), "prod": key("prod")}
    before = len(calls())
    played("bake_image", kind="ami", images=[ROLE], bake_kms_key_id=keys["dev"], bake_ansible_playbook=real)
    record = json.loads((records / f"{ROLE}.ami.json").read_text())
    found = Baked(record, calls()[before:], keys)
    yield found
    for account in NAMES:
        for image in of_the_bake(account, record):
            client(account, "ec2").deregister_image(ImageId=image)


@pytest.fixture(scope="module")
def release(baked: Baked, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release of that image."""
    path = tmp_path_factory.mktemp("releases") / "1.0-0a1b2c3d.yml"
    data = {
        "name": "1.0-0a1b2c3d",
        "snapshot": baked.record["snapshot"],
        "commit": "0123456789ab",
        "packages": {"twine": {"version": "1.0", "architecture": "all", "sha256": "0" * 64}},
        "images": {ROLE: baked.image},
        "bake_keys": {ROLE: baked.record["bake_key"]},
        "templates": {"application.yml": "0" * 64},
        "plan": {"prod/application": "0" * 64},
        "distribution": {},
    }
    path.write_text(yaml.safe_dump(data))
    return path


def test_the_builder_starts_from_debians_own_image_with_metadata_of_version_two(baked: Baked) -> None:
    [source] = [asked for asked in baked.asked("DescribeImages") if DEBIAN in asked.get("Owners", [])]
    assert {"Name": "virtualization-type", "Values": ["hvm"]} in source["Filters"]
    [run] = baked.asked("RunInstances")
    assert (run["ImageId"], run["InstanceType"]) == (baked.record["inputs"]["base image"], "t3.large")
    assert run["MetadataOptions"] == {"HttpTokens": "required", "HttpPutResponseHopLimit": 1, "HttpEndpoint": "enabled"}
    [disk] = run["BlockDeviceMappings"]
    wanted = {"VolumeType": "gp3", "VolumeSize": 8, "Encrypted": True, "KmsKeyId": baked.keys["dev"], "DeleteOnTermination": True}
    assert wanted.items() <= disk["Ebs"].items()


def test_nobody_but_this_machine_may_log_in_and_only_with_a_key_of_this_bake(baked: Baked) -> None:
    [pair] = baked.asked("CreateKeyPair")
    assert (pair["KeyType"], pair["KeyName"]) == ("ed25519", baked.asked("RunInstances")[0]["KeyName"])
    [opened] = baked.asked("AuthorizeSecurityGroupIngress")
    [rule] = opened["IpPermissions"]
    assert (rule["FromPort"], rule["ToPort"]) == (22, 22)
    [source] = [one["CidrIp"] for one in rule["IpRanges"]]
    assert source.startswith("10.250.") and source.endswith(".1/32")


def test_the_image_is_made_of_a_stopped_builder_and_says_what_it_was_made_of(baked: Baked) -> None:
    order = [call["action"] for call in baked.calls]
    assert order.index("StopInstances") < order.index("CreateImage") < order.index("TerminateInstances")
    assert [asked["ImdsSupport"] for asked in baked.asked("ModifyImageAttribute")] == [{"Value": "v2.0"}]
    [image] = client("dev", "ec2").describe_images(ImageIds=[baked.image])["Images"]
    assert (image["OwnerId"], image["ImdsSupport"], image["Public"]) == (NAMES["dev"], "v2.0", False)
    lineage = {
        "twine:role": ROLE,
        "twine:bake-key": baked.record["bake_key"],
        "twine:snapshot": baked.record["snapshot"],
        "twine:architecture": "amd64",
        "twine:source": baked.record["inputs"]["base image"],
    }
    assert lineage.items() <= tags(image).items()
    [snapshot] = client("dev", "ec2").describe_snapshots(SnapshotIds=[image["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]])["Snapshots"]
    assert (snapshot["Encrypted"], snapshot["KmsKeyId"]) == (True, baked.keys["dev"])
    assert lineage.items() <= tags(snapshot).items()


def test_its_file_system_is_at_hand_and_tells_its_base(baked: Baked) -> None:
    base = docker("image", "inspect", "--format", "{{.Id}}", "twine/base:bookworm")
    assert f"sha256:{baked.record['base']}" == base
    manifest = json.loads((checkout.BUILD / "images" / f"{ROLE}.ami.manifest.json").read_text())
    assert (manifest["build"]["id"], "openssh-server" in manifest["packages"]) == (baked.image, True)
    # Nothing of who baked it: no account, no key, no record of a log-in.
    assert "admin" not in manifest["users"]
    assert [path for path in manifest["files"] if path.startswith(("/root/.ssh/", "/etc/ssh/ssh_host_", "/var/log/wtmp"))] == []


def test_it_is_file_by_file_what_docker_was_baked_to(baked: Baked) -> None:
    played("bake_image", images=[ROLE])
    # Both stand on one base here; `make parity` compares Docker's with a machine on another.
    said = played("prove_parity", image=ROLE, others=["ami"], independent=False)
    assert re.search(r"\d{5} files", said) and "0 differences; " in said, said
    assert "not compared" not in said


def test_nothing_of_the_builder_is_left(baked: Baked) -> None:
    assert left_by_builders() == NOTHING
    containers = docker("ps", "--all", "--filter", f"label={checkout.label()}", "--filter", "label=twine.role=debian", "--quiet")
    assert containers == ""


def test_the_same_key_is_found_and_nothing_is_started(baked: Baked, real: str) -> None:
    before = len(calls())
    said = played("bake_image", kind="ami", images=[ROLE], bake_kms_key_id=baked.keys["dev"], bake_ansible_playbook=real)
    assert f"{ROLE} {baked.record['bake_key']}: unchanged" in said
    assert calls()[before:] == []


def test_prod_gets_a_copy_of_its_own_under_its_own_key_and_once_only(baked: Baked, release: Path) -> None:
    wanted = {"release_file": str(release), "copy_wanted": {"prod": [ROLE]}}
    said = played("copy_image", copy_kms_key_id=baked.keys["prod"], **wanted)
    [copy] = yaml.safe_load(release.read_text())["copies"]["prod"].values()
    assert f"prod: {ROLE}" in said and copy != baked.image
    ec2 = client("prod", "ec2")
    [image] = ec2.describe_images(ImageIds=[copy], Owners=["self"])["Images"]
    assert (image["OwnerId"], image["State"], image["ImdsSupport"]) == (PROD, "available", "v2.0")
    lineage = {"twine:copied-from": baked.image, "twine:release": "1.0-0a1b2c3d", "twine:bake-key": baked.record["bake_key"]}
    assert lineage.items() <= tags(image).items()
    [snapshot] = ec2.describe_snapshots(SnapshotIds=[image["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]])["Snapshots"]
    assert (snapshot["OwnerId"], snapshot["KmsKeyId"]) == (PROD, baked.keys["prod"])
    # Prod sees dev's image only while it copies it.
    assert ec2.describe_images(Filters=[{"Name": "image-id", "Values": [baked.image]}])["Images"] == []

    again = played("copy_image", copy_kms_key_id=baked.keys["prod"], **wanted)
    assert "prod: all there" in again
    assert yaml.safe_load(release.read_text())["copies"]["prod"] == {ROLE: copy}


def test_a_bake_that_fails_leaves_nothing_and_the_last_image_in_use(baked: Baked, records: Path, tmp_path: Path) -> None:
    # The first role of all fails half-way, on the builder: apt is configured by then, and has not what it is asked for.
    amiss = json.dumps({"common_packages": ["there-is-none"], "common_apt_retries": 0})
    failing = ansible(tmp_path, f"exec {PLAYBOOK} \"$@\" -e '{amiss}'")
    done = play("bake_image", kind="ami", images=[ROLE], bake_kms_key_id=baked.keys["dev"], bake_ansible_playbook=failing)
    assert done.returncode != 0
    said = " ".join(done.stdout.split())
    assert f"Failed to bake image {ROLE}: " in said and "there-is-none" in said
    assert left_by_builders() == NOTHING
    assert json.loads((records / f"{ROLE}.ami.json").read_text()) == baked.record


GROUPS = f"arn:aws:iam::{PROD}:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"


@pytest.fixture(scope="module")
def in_place(baked: Baked, release: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same release as it says that prod launches the image in place. Before that, dev's key knows nobody but dev."""
    path = Path(shutil.copy(release, tmp_path_factory.mktemp("in-place")))
    own = {"Sid": "Own", "Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{NAMES['dev']}:root"}, "Action": "kms:*", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [own]})
    client("dev", "kms").put_key_policy(KeyId=baked.keys["dev"], PolicyName="default", Policy=policy)
    assert "is not there in account prod" in refused(baked)
    played("copy_image", release_file=str(path), share=True, copy_wanted={"prod": list(yaml.safe_load(path.read_text())["images"])})
    return path


def refused(baked: Baked, **shared: list[str]) -> str:
    """What a deploy to prod says of the image, of which the release says that dev shares it with these accounts."""
    uses = {baked.image: images.Use("prod/application", "")}
    return " ".join(images.absent("prod", uses, lambda account: client(account, "ec2"), PROD, images.Shared(NAMES["dev"], shared)))


def test_an_image_is_shared_with_its_key_and_a_grant_for_groups_once_only(baked: Baked, in_place: Path) -> None:
    kms, dev_key, written = client("dev", "kms"), baked.keys["dev"], yaml.safe_load(in_place.read_text())
    assert written["shares"] == {"prod": written["images"]} and "copies" not in written
    assert refused(baked, prod=[baked.image]) == ""
    assert "account prod launches only what it owns or its release shares with it" in refused(baked, bastion=[baked.image])

    stands = kms.get_key_policy(KeyId=dev_key, PolicyName="default")["Policy"], kms.list_grants(KeyId=dev_key)["Grants"]
    assert [one["Sid"] for one in json.loads(stands[0])["Statement"]] == ["Own", *(f"TwineShared{PROD}{what}" for what in ("Use", "Disks", "Groups"))]
    assert [(grant["GranteePrincipal"], "Decrypt" in grant["Operations"]) for grant in stands[1]] == [(GROUPS, True)]

    said = played("copy_image", release_file=str(in_place), share=True, copy_wanted={"prod": list(written["images"])})
    assert "prod: all there" in said and yaml.safe_load(in_place.read_text()) == written
    assert (kms.get_key_policy(KeyId=dev_key, PolicyName="default")["Policy"], kms.list_grants(KeyId=dev_key)["Grants"]) == stands


def test_prods_machines_and_groups_start_from_what_is_shared(baked: Baked, in_place: Path, stacks: Stacks) -> None:
    ec2, groups = client("prod", "ec2"), client("prod", "autoscaling")
    second = int(checkout.networks()["dev"].split(".")[1]) + 173
    made = stacks.deploy("prod", "share-probe", "estate.yml", Cidr=f"10.{second}.0.0/16", ImageId=baked.image)
    [subnet] = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [made["Vpc"]]}])["Subnets"]
    ec2.create_launch_template(LaunchTemplateName="share-probe", LaunchTemplateData={"ImageId": baked.image, "InstanceType": "t3.micro"})
    launches = {"LaunchTemplateName": "share-probe", "Version": "$Latest"}
    name = {"AutoScalingGroupName": "share-probe"}
    groups.create_auto_scaling_group(**name, MinSize=1, MaxSize=1, VPCZoneIdentifier=subnet["SubnetId"], LaunchTemplate=launches)

    def found() -> list[dict[str, Any]]:
        return list(groups.describe_auto_scaling_groups(AutoScalingGroupNames=["share-probe"])["AutoScalingGroups"])

    try:
        until(lambda: [one for one in found()[0]["Instances"] if one["LifecycleState"] == "InService"], "a machine in service")
        rows = [row for one in ec2.describe_instances()["Reservations"] for row in one["Instances"] if row["VpcId"] == made["Vpc"]]
        assert [(row["ImageId"], row["State"]["Name"]) for row in rows] == [(baked.image, "running")] * 2
    finally:
        groups.delete_auto_scaling_group(**name, ForceDelete=True)
        until(lambda: not found(), "the group's end")
        ec2.delete_launch_template(LaunchTemplateName="share-probe")
        stacks.delete("prod", "share-probe")


def test_the_reaper_says_what_nobody_uses_and_takes_it_only_when_told(baked: Baked, release: Path) -> None:
    ec2 = client("dev", "ec2")
    builders = [{"Key": "twine:role", "Value": "builder"}]
    ec2.create_key_pair(KeyName="packer_left", KeyType="ed25519", TagSpecifications=[{"ResourceType": "key-pair", "Tags": builders}])
    wanted = {"releases_folder": str(release.parent), "older_than": 0}
    said = played("reap_images", **wanted)
    assert "(packer_left), and no builder has it" in said and "Nothing was removed: say -e apply=true." in said
    # The release names this one, and prod's copy of it.
    assert baked.image not in said and left_by_builders()["keys"] == ["packer_left"]

    data = yaml.safe_load(release.read_text())
    others = {"images": {ROLE: "ami-00000000000000000"}, "copies": {}}
    (release.parent / "1.0-0a1b2c3d.yml").write_text(yaml.safe_dump(data | others))
    said = played("reap_images", apply=True, **wanted)
    assert f"dev image {baked.image}" in said and "prod image" in said and "All of that is removed." in said
    assert left_by_builders() == NOTHING
    assert [of_the_bake(account, baked.record) for account in NAMES] == [[], []]
    assert docker("images", "--quiet", "--filter", f"label={checkout.label()}", "--filter", f"label=twine.image={baked.image}") == ""
