"""The default VPC of the account dev: what an account has without a stack, and where a builder starts when no subnet is named.

Its network is made when the first instance wants it. The package repository of the checkout stands in it under its name, as at AWS
somebody would have to make it reachable. The other accounts' default VPCs are records only.
"""

from __future__ import annotations

import contextlib
import ipaddress
import threading

from ministack.services import ec2

from local_cloud.plugin import emulator, engine, fabric, settings

_lock = threading.Lock()


def cidr() -> ipaddress.IPv4Network:
    """A range of this checkout's: AWS's own 172.31.0.0/16 is the same in every account and may be one of Docker's."""
    return ipaddress.IPv4Network(f"10.250.{int(settings.CHECKOUT, 16) % 250}.0/24")


def subnet() -> str:
    """The default subnet, on a network that is there; empty where the account has none that is real."""
    if emulator.account() != settings.ACCOUNTS["dev"]:
        return ""
    with _lock:
        if ec2._DEFAULT_VPC_ID not in fabric.vpcs():
            _make()
        # The repository's container may be younger than the network. It takes the address that AWS keeps for itself beside the router's.
        with contextlib.suppress(engine.EngineError):
            engine.connect(fabric.network_name(ec2._DEFAULT_VPC_ID), f"{settings.PREFIX}-repository", ip=str(cidr()[3]), aliases=["repository"])
    return str(ec2._DEFAULT_SUBNET_ID)


def _make() -> None:
    whole = cidr()
    ec2._vpcs[ec2._DEFAULT_VPC_ID]["CidrBlock"] = str(whole)
    names = (ec2._DEFAULT_SUBNET_ID, ec2._DEFAULT_SUBNET_ID_B, ec2._DEFAULT_SUBNET_ID_C)
    for name, part in zip(names, whole.subnets(new_prefix=26), strict=False):
        ec2._subnets[name]["CidrBlock"] = str(part)
    ec2._route_tables[ec2._DEFAULT_RTB_ID]["Routes"] = [
        {"DestinationCidrBlock": str(whole), "GatewayId": "local", "State": "active", "Origin": "CreateRouteTable"},
        {"DestinationCidrBlock": "0.0.0.0/0", "GatewayId": ec2._DEFAULT_IGW_ID, "State": "active", "Origin": "CreateRoute"},
    ]
    fabric.create_vpc(ec2._DEFAULT_VPC_ID, str(whole))
