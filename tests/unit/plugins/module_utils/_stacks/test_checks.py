"""What can be known to be wrong before the first call is told before the first call."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.twine.platform.plugins.module_utils._aws.errors import Failure
from ansible_collections.twine.platform.plugins.module_utils._stacks.checks import check, templates_of
from ansible_collections.twine.platform.plugins.module_utils._stacks.spec import parse

VPC = """\
Parameters:
  Cidr: {Type: String, AllowedPattern: "[0-9./]+"}
  Kind: {Type: String, Default: a, AllowedValues: [a, b]}
  Count: {Type: Number, Default: 1}
Resources: {Vpc: {Type: "AWS::EC2::VPC", Properties: {CidrBlock: !Ref Cidr}}}
Outputs:
  VpcId: {Value: !Ref Vpc}
"""
PEERING = """\
Parameters: {Here: {Type: String}, There: {Type: String}}
Resources: {P: {Type: "AWS::EC2::VPCPeeringConnection", Properties: {VpcId: !Ref Here, PeerVpcId: !Ref There}}}
"""
ROLE = "Resources: {R: {Type: 'AWS::IAM::Role', Properties: {RoleName: x}}}\n"
UNNAMED = "Resources: {R: {Type: 'AWS::IAM::Role', Properties: {}}}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, body in (("vpc", VPC), ("peering", PEERING), ("role", ROLE), ("unnamed", UNNAMED)):
        (tmp_path / f"{name}.yml").write_text(body)
    return tmp_path


def checked(raw: dict[str, Any], folder: Path) -> None:
    stacks = parse(raw)
    check(stacks, templates_of(stacks, [folder]))


def vpc(cidr: Any = "10.0.0.0/16", **more: Any) -> dict[str, Any]:
    return {"name": "vpc", "parameters": {"Cidr": cidr, **more}}


def peering(name: str, there: str) -> dict[str, Any]:
    return {"name": name, "template": "peering.yml", "parameters": {"Here": {"output": "vpc.VpcId"}, "There": {"output": f"{there}/vpc.VpcId"}}}


def test_what_is_right_passes(folder: Path) -> None:
    checked({"dev": [vpc(), peering("p", "bastion")], "bastion": [vpc("10.1.0.0/16")]}, folder)


@pytest.mark.parametrize(
    ("stacks", "told"),
    [
        ([{"name": "none"}], "'template' names none.yml, which is not in"),
        ([vpc(Cdir="x")], "parameter 'Cdir' is not declared"),
        ([{"name": "vpc"}], "parameter 'Cidr' of"),
        ([vpc("ten")], "wants the pattern"),
        ([vpc(Kind="c")], "allows a, b"),
        ([vpc(Count="many")], "wants a number"),
        ([vpc(), {"name": "p", "template": "peering.yml", "parameters": {"Here": {"output": "vpc.Vpc"}, "There": "x"}}], "wants the output 'Vpc'"),
        ([{"name": "role"}], "Add CAPABILITY_NAMED_IAM"),
        ([{"name": "role", "capabilities": ["CAPABILITY_IAM"]}], "Add CAPABILITY_NAMED_IAM"),
        ([{"name": "unnamed"}], "Add CAPABILITY_IAM"),
    ],
)
def test_a_mistake_is_told_with_its_place(folder: Path, stacks: list[dict[str, Any]], told: str) -> None:
    with pytest.raises(Failure) as failure:
        checked({"dev": stacks}, folder)
    assert told in str(failure.value) and "stacks of account dev, entry" in str(failure.value)


def test_peered_networks_may_not_overlap(folder: Path) -> None:
    with pytest.raises(Failure, match=r"10\.0\.128\.0/17 and 10\.0\.0\.0/16 overlap"):
        checked({"dev": [vpc(), peering("p", "bastion")], "bastion": [vpc("10.0.128.0/17")]}, folder)


def test_networks_peered_with_the_same_one_may_not_overlap(folder: Path) -> None:
    raw = {"dev": [vpc(), peering("p", "bastion")], "prod": [vpc(), peering("p", "bastion")], "bastion": [vpc("10.1.0.0/16")]}
    with pytest.raises(Failure) as failure:
        checked(raw, folder)
    assert str(failure.value).count("overlap") == 1


def test_networks_that_never_meet_may_be_the_same(folder: Path) -> None:
    checked({"dev": [vpc()], "prod": [vpc()]}, folder)


def test_a_users_folder_goes_before_ours(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    own = tmp_path_factory.mktemp("own")
    (own / "vpc.yml").write_text(ROLE)
    stacks = parse({"dev": [{"name": "vpc"}]})
    assert templates_of(stacks, [own, folder])["dev/vpc"].path == own / "vpc.yml"
