"""Launches are refused for the reasons EC2 has, and states follow the containers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ministack.services import ec2

from local_cloud.plugin import emulator, engine, fabric, instances, settings
from local_cloud.plugin.requests import Refused
from tests.unit.local_cloud.estate import BASTION, DEV, Estate

IMAGE = engine.Image("0123456789abcdef0" + "f" * 47, ("p/twine:1",), {"twine.role": "twine"}, 0, 0)
SPEC = instances.Launch("ami-0123456789abcdef0", "t3.small", "subnet-dev", ("sg-a",), tags={"Name": "x"})


@pytest.fixture
def docker(estate: Estate, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What would be run, stopped and removed; the group that SPEC names."""
    done: list[dict[str, Any]] = []
    estate.group(DEV, "sg-a", [])
    monkeypatch.setattr(engine, "images", lambda: [IMAGE])
    monkeypatch.setattr(engine, "run_container", lambda name, image, **options: done.append({"run": name, **options}))
    monkeypatch.setattr(engine, "stop", lambda name, grace=30: done.append({"stop": name}))
    monkeypatch.setattr(engine, "remove", lambda name: done.append({"remove": name}))
    monkeypatch.setattr(fabric, "enroll", lambda name, subnet, groups: done.append({"enroll": name, "groups": groups}))
    return done


def test_an_instance_is_a_container_of_its_image_type_and_subnet(docker: list[dict[str, Any]]) -> None:
    record = instances.launch(SPEC)
    assert record["State"]["Name"] == "running"
    assert (docker[0]["ip"], docker[0]["cpus"], docker[0]["memory"], docker[0]["systemd"]) == ("10.1.1.4", 0.25, "1g", True)
    assert docker[0]["labels"] == {"twine.instance": record["InstanceId"], "twine.account": DEV, "twine.role": "twine"}
    assert docker[1] == {"enroll": f"{settings.PREFIX}-{record['InstanceId']}", "groups": ["sg-a"]}
    assert ec2._tags[record["InstanceId"]] == [{"Key": "Name", "Value": "x"}]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"image_id": "ami-00000000000000000"}, "InvalidAMIID.NotFound"),
        ({"instance_type": "x1.32xlarge"}, "Unsupported"),
        ({"subnet_id": "subnet-none"}, "InvalidSubnetID.NotFound"),
        ({"security_groups": ("sg-none",)}, "InvalidGroup.NotFound"),
        ({"profile": "none"}, "InvalidParameterValue"),
        ({"private_ip": "10.9.9.9"}, "InsufficientFreeAddressesInSubnet"),
    ],
)
def test_a_wrong_launch_is_refused_before_anything_runs(docker: list[dict[str, Any]], change: dict[str, Any], code: str) -> None:
    with pytest.raises(Refused) as refusal:
        instances.launch(replace(SPEC, **change))
    assert refusal.value.code == code
    assert not docker
    assert not list(ec2._instances)


def test_a_group_of_another_network_is_refused(docker: list[dict[str, Any]], estate: Estate) -> None:
    estate.group(BASTION, "sg-b", [])
    with pytest.raises(Refused, match="sg-b"):
        instances.launch(replace(SPEC, security_groups=("sg-b",)))


@pytest.mark.parametrize("which", ["*", "t3.small", "eu-west-2a"])
def test_refused_capacity_is_used_up(docker: list[dict[str, Any]], which: str) -> None:
    emulator.inject({"kind": "capacity", "which": which, "times": "1"})
    with pytest.raises(Refused, match="do not have sufficient"):
        instances.launch(SPEC)
    assert instances.launch(SPEC)["State"]["Name"] == "running"


def test_a_container_that_does_not_start_leaves_nothing(docker: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any, **options: Any) -> None:
        raise engine.EngineError("no space left", 500)

    monkeypatch.setattr(engine, "run_container", refuse)
    with pytest.raises(Refused, match="no space left"):
        instances.launch(SPEC)
    assert "remove" in docker[0]
    assert not fabric._reserved["vpc-dev"]


def test_a_terminated_instance_is_halted_then_removed_and_said_so(docker: list[dict[str, Any]]) -> None:
    said: list[str] = []
    instances.on_event(lambda event, account, record: said.append(f"{event} {account}"))
    instance_id = instances.launch(SPEC)["InstanceId"]
    thread = instances.terminate(instance_id)
    assert thread is not None
    thread.join(5)
    assert [key for step in docker[2:] for key in step] == ["stop", "remove"]
    assert said == [f"{event} {DEV}" for event in ("launched", "terminating", "terminated")]
    assert instances.get(instance_id)["State"]["Name"] == "terminated"
    assert instances.terminate(instance_id) is None


def test_an_instance_whose_container_died_is_stopped_and_impaired(docker: list[dict[str, Any]]) -> None:
    record = instances.launch(SPEC)
    said: list[str] = []
    instances.on_event(lambda event, account, record: said.append(event))
    instances._container_died("name", {"twine.instance": record["InstanceId"], "twine.account": DEV}, 137)
    assert (record["State"]["Name"], instances.impaired(record["InstanceId"]), said) == ("stopped", True, ["died"])


def test_a_launch_template_of_a_version_is_what_is_launched(docker: list[dict[str, Any]]) -> None:
    versions = [
        {"VersionNumber": 1, "LaunchTemplateData": {"ImageId": "ami-old", "InstanceType": "t3.micro"}},
        {
            "VersionNumber": 2,
            "LaunchTemplateData": {
                "ImageId": "ami-new",
                "InstanceType": "t3.small",
                "IamInstanceProfile": {"Arn": "arn:profile"},
                "NetworkInterfaces": [{"Groups": ["sg-a"], "AssociatePublicIpAddress": "true"}],
                "TagSpecifications": [{"ResourceType": "instance", "Tags": [{"Key": "a", "Value": "1"}]}],
            },
        },
    ]
    ec2._launch_templates["lt-1"] = {"LaunchTemplateName": "t", "DefaultVersionNumber": 1, "LatestVersionNumber": 2, "Versions": versions}
    launch = instances.from_template({"LaunchTemplateId": "lt-1", "Version": "$Latest"}, "subnet-dev", {"b": "2"})
    assert (launch.image_id, launch.security_groups, launch.profile, launch.public_address) == ("ami-new", ("sg-a",), "arn:profile", True)
    assert launch.tags == {"a": "1", "b": "2"}
    assert instances.from_template({"LaunchTemplateId": "lt-1"}, "subnet-dev", {}).image_id == "ami-old"
    with pytest.raises(Refused, match="version 3"):
        instances.from_template({"LaunchTemplateId": "lt-1", "Version": "3"}, "subnet-dev", {})
