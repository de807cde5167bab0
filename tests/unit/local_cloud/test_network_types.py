"""Network resources are refused for the reasons AWS has."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ministack.services import ec2, iam

from local_cloud.plugin import emulator, fabric, network_types
from local_cloud.plugin.requests import Refused
from tests.unit.local_cloud.estate import BASTION, DEV, Estate


def never(*arguments: Any) -> Any:
    raise AssertionError("the emulator must not be asked")


@pytest.mark.parametrize(
    ("props", "code"),
    [
        ({"VpcId": "vpc-dev", "CidrBlock": "10.9.0.0/24"}, "InvalidSubnet.Range"),
        ({"VpcId": "vpc-dev", "CidrBlock": "10.1.0.0/20"}, "InvalidSubnet.Conflict"),
        ({"VpcId": "vpc-none", "CidrBlock": "10.1.2.0/24"}, "InvalidVpcID.NotFound"),
    ],
)
def test_a_subnet_lies_in_its_network_and_over_no_other(estate: Estate, props: dict[str, Any], code: str) -> None:
    with pytest.raises(Refused) as refusal:
        network_types.create_subnet(never, "Subnet", props, "stack")
    assert refusal.value.code == code


def test_a_subnet_with_machines_is_kept(estate: Estate) -> None:
    estate.member(DEV, "10.1.1.4")
    with pytest.raises(Refused, match="has dependencies"):
        network_types.delete_subnet(never, "subnet-dev", {})


def test_a_group_that_is_worn_or_named_is_kept(estate: Estate) -> None:
    estate.group(DEV, "sg-a", [])
    estate.group(DEV, "sg-b", [{"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": "sg-a"}]}])
    estate.member(DEV, "10.1.1.4", "sg-b")
    for group in ("sg-a", "sg-b"):
        with pytest.raises(Refused, match="has a dependent object"):
            network_types.delete_group(never, group, {})


@pytest.mark.parametrize(
    ("props", "code"),
    [
        ({"RouteTableId": "rtb-none", "DestinationCidrBlock": "10.2.0.0/16"}, "InvalidRouteTableID.NotFound"),
        (
            {"RouteTableId": "rtb-dev", "DestinationCidrBlock": "10.2.0.0/16", "VpcPeeringConnectionId": "pcx-0"},
            "InvalidVpcPeeringConnectionID.NotFound",
        ),
        ({"RouteTableId": "rtb-dev", "DestinationCidrBlock": "10.3.0.0/16"}, "RouteAlreadyExists"),
    ],
)
def test_a_route_that_leads_nowhere_or_is_there_is_refused(estate: Estate, props: dict[str, Any], code: str) -> None:
    ec2._route_tables["rtb-dev"]["Routes"].append({"DestinationCidrBlock": "10.3.0.0/16"})
    with pytest.raises(Refused) as refusal:
        network_types.create_route(never, "Route", props, "stack")
    assert refusal.value.code == code


def role(trusted: str, action: str) -> str:
    arn = f"arn:aws:iam::{BASTION}:role/peering"
    trust = {"Statement": [{"Effect": "Allow", "Principal": {"AWS": trusted}, "Action": "sts:AssumeRole"}]}
    allowed = json.dumps({"Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}]})
    with emulator.scope(BASTION):
        record = {"RoleName": "peering", "Arn": arn, "AssumeRolePolicyDocument": json.dumps(trust), "AttachedPolicies": []}
        iam._roles["peering"] = {**record, "InlinePolicies": {"accept": allowed}}
    return arn


PEERING = {"VpcId": "vpc-dev", "PeerVpcId": "vpc-bastion", "PeerOwnerId": BASTION}


def test_a_peering_is_accepted_by_a_role_that_trusts_and_may(estate: Estate) -> None:
    peering_id, attributes = network_types.create_peering("P", {**PEERING, "PeerRoleArn": role(DEV, "ec2:AcceptVpcPeeringConnection")}, "stack")
    assert attributes == {"Id": peering_id}
    for account in (DEV, BASTION):
        assert ec2._vpc_peering.get_scoped(account, "eu-west-2", peering_id)["Status"]["Code"] == "active"
    network_types.delete_peering(peering_id, {})
    assert ec2._vpc_peering[peering_id]["Status"]["Code"] == "deleted"


@pytest.mark.parametrize(("trusted", "action"), [("999999999999", "ec2:AcceptVpcPeeringConnection"), (DEV, "ec2:DescribeVpcs")])
def test_a_peering_is_refused_by_a_role_that_does_not_trust_or_may_not(estate: Estate, trusted: str, action: str) -> None:
    with pytest.raises(Refused) as refusal:
        network_types.create_peering("P", {**PEERING, "PeerRoleArn": role(trusted, action)}, "stack")
    assert refusal.value.code == "AccessDenied"


def test_networks_that_overlap_are_not_peered(estate: Estate) -> None:
    with emulator.scope(BASTION):
        ec2._vpcs["vpc-bastion"]["CidrBlock"] = "10.1.128.0/17"
    with pytest.raises(Refused, match="overlapping CIDR"):
        network_types.create_peering("P", PEERING, "stack")


def test_an_address_reaches_the_record_of_its_allocation(estate: Estate) -> None:
    address, attributes = network_types.create_eip("E", {"Tags": [{"Key": "Name", "Value": "x"}]}, "stack")
    assert ec2._addresses[attributes["AllocationId"]]["PublicIp"] == address
    network_types.delete_eip(address, {})
    assert attributes["AllocationId"] not in ec2._addresses
    assert not fabric._members
