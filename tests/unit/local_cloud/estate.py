"""Two small networks for the tests of the local cloud."""

from __future__ import annotations

from typing import Any

from ministack.services import ec2

from local_cloud.plugin import emulator, fabric

DEV, BASTION = "111111111111", "333333333333"


class Estate:
    """Two VPCs of two accounts with a subnet each, as the emulator's stores hold them."""

    def __init__(self) -> None:
        self.vpcs = {DEV: self.network(DEV, "vpc-dev", "10.1"), BASTION: self.network(BASTION, "vpc-bastion", "10.2")}
        self.loaded: list[tuple[int | None, str]] = []

    def network(self, account: str, vpc_id: str, net: str) -> str:
        name = vpc_id.removeprefix("vpc-")
        with emulator.scope(account):
            ec2._vpcs[vpc_id] = {"VpcId": vpc_id, "CidrBlock": f"{net}.0.0/16", "DefaultSecurityGroupId": f"sg-{name}default"}
            ec2._subnets[f"subnet-{name}"] = {
                "SubnetId": f"subnet-{name}",
                "VpcId": vpc_id,
                "CidrBlock": f"{net}.1.0/28",
                "AvailabilityZone": "eu-west-2a",
            }
            ec2._route_tables[f"rtb-{name}"] = {
                "RouteTableId": f"rtb-{name}",
                "VpcId": vpc_id,
                "Routes": [],
                "Associations": [{"SubnetId": f"subnet-{name}"}],
            }
        fabric._reserved[vpc_id] = set()
        return vpc_id

    def group(self, account: str, group_id: str, ingress: list[dict[str, Any]], egress: list[dict[str, Any]] | None = None) -> str:
        with emulator.scope(account):
            record = {"GroupId": group_id, "GroupName": group_id, "VpcId": self.vpcs[account], "IpPermissions": ingress}
            ec2._security_groups[group_id] = {**record, "IpPermissionsEgress": egress or []}
        return group_id

    def member(self, account: str, address: str, *groups: str) -> str:
        vpc_id = self.vpcs[account]
        fabric._members[address] = fabric._Member(1, account, vpc_id.replace("vpc", "subnet"), vpc_id, address, list(groups))
        return address

    def rules(self, address: str) -> str:
        return fabric._filter(fabric._members[address])
