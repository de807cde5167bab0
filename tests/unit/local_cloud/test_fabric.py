"""What the kernel is told follows from groups, routes and peerings, and from nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from ministack.services import ec2

from local_cloud.plugin import emulator, fabric
from local_cloud.plugin.requests import Refused
from tests.unit.local_cloud.estate import BASTION, DEV, Estate

ANYWHERE: list[dict[str, Any]] = [{"CidrIp": "0.0.0.0/0"}]


def permission(protocol: str, low: int, high: int, **peers: Any) -> dict[str, Any]:
    return {"IpProtocol": protocol, "FromPort": low, "ToPort": high, **peers}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (permission("tcp", 80, 80, IpRanges=ANYWHERE), "meta nfproto ipv4 tcp dport 80-80 accept"),
        (permission("6", 22, 23, IpRanges=[{"CidrIp": "10.0.0.0/8"}]), "ip saddr 10.0.0.0/8 tcp dport 22-23 accept"),
        (permission("udp", 0, 65535, IpRanges=ANYWHERE), "meta nfproto ipv4 meta l4proto udp accept"),
        (permission("icmp", -1, -1, IpRanges=ANYWHERE), "meta nfproto ipv4 meta l4proto icmp accept"),
        (permission("icmp", 8, 0, IpRanges=ANYWHERE), "meta nfproto ipv4 icmp type 8 accept"),
        ({"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": "sg-a1"}]}, "ip saddr @sg_a1 accept"),
    ],
)
def test_a_permission_becomes_a_rule(given: dict[str, Any], expected: str) -> None:
    assert list(fabric._rules(given, "saddr")) == [expected]


def test_a_protocol_that_is_not_filtered_is_refused() -> None:
    with pytest.raises(Refused):
        list(fabric._rules(permission("gre", 0, 0, IpRanges=ANYWHERE), "saddr"))


def test_a_member_lets_in_what_its_groups_allow_and_answers(estate: Estate) -> None:
    estate.group(DEV, "sg-web", [permission("tcp", 80, 80, IpRanges=ANYWHERE)])
    rules = estate.rules(estate.member(DEV, "10.1.1.4", "sg-web"))
    incoming = rules.partition("chain out")[0]
    assert "hook input priority filter; policy drop;" in incoming
    assert [line for line in incoming.splitlines() if line.endswith("accept")] == [
        'iif "lo" accept',
        "ct state established,related accept",
        "meta nfproto ipv4 tcp dport 80-80 accept",
    ]


def test_a_group_reference_names_the_members_of_that_group_in_whatever_account(estate: Estate) -> None:
    estate.group(BASTION, "sg-bastion", [])
    estate.group(DEV, "sg-app", [permission("tcp", 22, 22, UserIdGroupPairs=[{"GroupId": "sg-bastion", "UserId": BASTION}])])
    member = estate.member(DEV, "10.1.1.4", "sg-app")
    assert "set sg_bastion { type ipv4_addr;  }" in estate.rules(member)
    estate.member(BASTION, "10.2.1.4", "sg-bastion")
    assert "set sg_bastion { type ipv4_addr; elements = { 10.2.1.4 }; }" in estate.rules(member)


def test_only_what_changed_is_sent_to_the_kernel(estate: Estate) -> None:
    estate.group(DEV, "sg-a", [])
    estate.group(DEV, "sg-b", [])
    estate.member(DEV, "10.1.1.4", "sg-a")
    estate.member(DEV, "10.1.1.5", "sg-b")
    fabric.sync()
    estate.loaded.clear()
    ec2._security_groups["sg-b"]["IpPermissions"].append(permission("tcp", 1, 1, IpRanges=ANYWHERE))
    fabric.sync()
    assert len(estate.loaded) == 1
    assert "dport 1-1" in estate.loaded[0][1]


def peer(status: str) -> None:
    record = {
        "VpcPeeringConnectionId": "pcx-1",
        "RequesterVpcInfo": {"VpcId": "vpc-dev", "OwnerId": DEV},
        "AccepterVpcInfo": {"VpcId": "vpc-bastion", "OwnerId": BASTION},
        "Status": {"Code": status},
    }
    for owner in (DEV, BASTION):
        ec2._vpc_peering.set_scoped(owner, "eu-west-2", "pcx-1", record)


def route(account: str, table: str, cidr: str, **target: str) -> None:
    with emulator.scope(account):
        ec2._route_tables[table]["Routes"].append({"DestinationCidrBlock": cidr, **target})


@pytest.mark.parametrize(
    ("status", "routed", "forwarded"), [("active", True, 2), ("pending-acceptance", True, 0), ("deleted", True, 0), ("active", False, 1)]
)
def test_between_networks_goes_what_an_active_peering_and_both_route_tables_carry(estate: Estate, status: str, routed: bool, forwarded: int) -> None:
    peer(status)
    route(DEV, "rtb-dev", "10.2.0.0/16", VpcPeeringConnectionId="pcx-1")
    if routed:
        route(BASTION, "rtb-bastion", "10.1.0.0/16", VpcPeeringConnectionId="pcx-1")
    assert len(list(fabric._forwarded())) == forwarded


def test_a_route_beyond_the_peer_carries_nothing(estate: Estate) -> None:
    peer("active")
    route(DEV, "rtb-dev", "10.9.0.0/16", VpcPeeringConnectionId="pcx-1")
    assert not list(fabric._forwarded())


def test_the_way_out_needs_a_gateway(estate: Estate) -> None:
    assert "oifname" not in fabric._router_rules().partition("chain outward")[0]
    route(DEV, "rtb-dev", "0.0.0.0/0", NatGatewayId="nat-1")
    assert 'ip saddr 10.1.1.0/28 oifname "eth0" accept' in fabric._router_rules()


def test_addresses_are_those_of_the_subnet_and_run_out(estate: Estate) -> None:
    given = [fabric.place("subnet-dev").address for _turn in range(11)]
    assert given == [f"10.1.1.{number}" for number in range(4, 15)]
    with pytest.raises(Refused, match="not enough free addresses"):
        fabric.place("subnet-dev")


def test_an_address_just_given_back_is_not_the_next(estate: Estate) -> None:
    fabric.release(fabric.place("subnet-dev"))
    assert fabric.place("subnet-dev").address == "10.1.1.5"


@pytest.mark.parametrize(("subnet", "address"), [("subnet-none", None), ("subnet-dev", "10.9.9.9")])
def test_a_place_that_does_not_exist_is_refused(estate: Estate, subnet: str, address: str | None) -> None:
    with pytest.raises(Refused):
        fabric.place(subnet, address)


def test_a_network_in_use_is_kept(estate: Estate) -> None:
    estate.member(DEV, "10.1.1.4")
    with pytest.raises(Refused, match="has dependencies"):
        fabric.delete_vpc("vpc-dev")
