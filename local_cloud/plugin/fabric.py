"""Networks, routes and packet filters: what is allowed to reach what, made true in the kernel.

A VPC is a bridge network; the cloud container has a leg in each and is its router. Between VPCs it forwards only what the
route tables of both subnets send through an active peering, and it never rewrites a source, so that security groups see
who speaks. A security group is an nftables table of its own inside the network namespace of each member (never a flush:
Docker's name service lives in another table there).
"""

from __future__ import annotations

import ipaddress
import subprocess
import threading
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ministack.services import ec2

from local_cloud.plugin import emulator, engine, settings
from local_cloud.plugin.requests import Refused

CLOUD = f"{settings.PREFIX}-cloud"
TABLE = "twine"


@dataclass(frozen=True)
class Place:
    """Where a container goes: the Docker network of its VPC, and an address of its subnet."""

    network: str
    address: str
    vpc_id: str
    subnet_id: str
    zone: str


@dataclass
class _Member:
    pid: int
    account: str
    subnet_id: str
    vpc_id: str
    address: str
    groups: list[str]
    applied: str = field(default="", compare=False)


_lock = threading.RLock()
_members: dict[str, _Member] = {}
_reserved: dict[str, set[str]] = {}  # VPC → addresses in use
_cursor: dict[str, int] = {}  # subnet → the last offset given: an address is not used again at once
_applied = {"router": ""}
_pool = ThreadPoolExecutor(max_workers=8, thread_name_prefix="fabric")


# --- VPCs and addresses -------------------------------------------------------------------------------------------


def network_name(vpc_id: str) -> str:
    return f"{settings.PREFIX}-{vpc_id}"


def _leg(cidr: str) -> str:
    """The cloud's own address in a VPC: its third, which AWS keeps for itself as well."""
    return str(ipaddress.IPv4Network(cidr)[2])


def create_vpc(vpc_id: str, cidr: str) -> None:
    name = network_name(vpc_id)
    labels = {"twine.vpc": vpc_id, settings.LABEL_ACCOUNT: emulator.account()}
    try:
        engine.create_network(name, cidr, str(ipaddress.IPv4Network(cidr)[1]), labels)
    except engine.EngineError as error:
        raise Refused(
            "InvalidVpc.Range",
            f"Failed to make the network of {vpc_id} ({cidr}): {error}. Choose a range that no other network of this machine uses.",
        ) from error
    with _lock:
        _reserved[vpc_id] = set()
    engine.connect(name, CLOUD, ip=_leg(cidr))


def vpcs() -> list[str]:
    """The VPCs that have a network."""
    with _lock:
        return list(_reserved)


def delete_vpc(vpc_id: str) -> None:
    with _lock:
        if users := [name for name, member in _members.items() if member.vpc_id == vpc_id]:
            raise Refused("DependencyViolation", f"The vpc '{vpc_id}' has dependencies and cannot be deleted: {', '.join(sorted(users))}.")
        _reserved.pop(vpc_id, None)
    engine.remove_network(network_name(vpc_id))


def members(subnet_id: str = "", group_id: str = "") -> list[str]:
    """Names of the containers in a subnet, or of a security group."""
    with _lock:
        return [name for name, m in _members.items() if (not subnet_id or m.subnet_id == subnet_id) and (not group_id or group_id in m.groups)]


def place(subnet_id: str, address: str | None = None) -> Place:
    """A free address of a subnet of the current account, reserved until `release`."""
    subnet = ec2._subnets.get(subnet_id)
    if subnet is None:
        raise Refused("InvalidSubnetID.NotFound", f"The subnet ID '{subnet_id}' does not exist")
    vpc_id = subnet["VpcId"]
    net = ipaddress.IPv4Network(subnet["CidrBlock"])
    with _lock:
        taken = _reserved.get(vpc_id)
        if taken is None:
            raise Refused(
                "InvalidSubnetID.NotFound", f"The subnet '{subnet_id}' is in {vpc_id}, which has no network here: use a VPC that a stack made"
            )
        usable = net.num_addresses - 5  # AWS keeps the first four and the last
        start = _cursor.get(subnet_id, 0)
        offers = [address] if address else (str(net[4 + (start + step) % usable]) for step in range(usable))
        chosen = next((offer for offer in offers if offer not in taken), None)
        if chosen is None or ipaddress.IPv4Address(chosen) not in net:
            raise Refused("InsufficientFreeAddressesInSubnet", f"There are not enough free addresses in subnet '{subnet_id}' ({address or 'any'}).")
        taken.add(chosen)
        _cursor[subnet_id] = int(ipaddress.IPv4Address(chosen)) - int(net[4]) + 1
    return Place(network_name(vpc_id), chosen, vpc_id, subnet_id, subnet["AvailabilityZone"])


def release(given: Place) -> None:
    with _lock:
        _reserved.get(given.vpc_id, set()).discard(given.address)


# --- members ------------------------------------------------------------------------------------------------------


def enroll(container: str, subnet_id: str, groups: Iterable[str]) -> None:
    """Route a running container through the fabric and put its security groups in force."""
    found = engine.must_inspect(container)
    subnet = ec2._subnets[subnet_id]
    vpc_id = subnet["VpcId"]
    address = found.networks[network_name(vpc_id)]
    leg = _leg(ec2._vpcs[vpc_id]["CidrBlock"])
    _in_namespace(found.pid, ["ip", "-batch", "-"], f"route replace default via {leg}\nroute replace {settings.LINK_LOCAL}/32 via {leg}\n")
    with _lock:
        _members[container] = _Member(found.pid, emulator.account(), subnet_id, vpc_id, address, list(groups))
    sync()


def set_groups(container: str, groups: Iterable[str]) -> None:
    with _lock:
        _members[container].groups = list(groups)
    sync()


def withdraw(container: str) -> None:
    """Forget a container that goes: its address leaves the groups it was in."""
    with _lock:
        gone = _members.pop(container, None)
        if gone:
            _reserved.get(gone.vpc_id, set()).discard(gone.address)
    if gone:
        sync()


def at(address: str) -> str | None:
    """The container that has this address."""
    with _lock:
        return next((name for name, member in _members.items() if member.address == address), None)


# --- what the kernel is told --------------------------------------------------------------------------------------


def _in_namespace(pid: int, command: list[str], text: str) -> None:
    done = subprocess.run(["nsenter", "-t", str(pid), "-n", *command], input=text, capture_output=True, text=True, timeout=20, check=False)
    if done.returncode and engine_alive(pid):
        raise RuntimeError(f"Failed to set up the network of process {pid}: {done.stderr.strip()}\n{text}")


def engine_alive(pid: int) -> bool:
    """A namespace that is gone needs no rules."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def sync() -> None:
    """Bring router and members to what the emulator's stores say; only what changed is sent to the kernel."""
    with _lock:
        router = _router_rules()
        if router != _applied["router"]:
            _load(None, router)
            _applied["router"] = router
        stale = [(member, text) for member in _members.values() if (text := _filter(member)) != member.applied]
        for member, text in stale:
            member.applied = text
        list(_pool.map(lambda pair: _load(pair[0].pid, pair[1]), stale))


def _load(pid: int | None, chains: str) -> None:
    """Replace our table in one transaction."""
    text = f"table inet {TABLE} {{}}\ndelete table inet {TABLE}\ntable inet {TABLE} {{\n{chains}}}\n"
    if pid is None:
        subprocess.run(["nft", "-f", "-"], input=text, check=True, text=True, timeout=20)
    else:
        _in_namespace(pid, ["nft", "-f", "-"], text)


def _router_rules() -> str:
    """Forward what route tables and peerings allow, in each direction for itself; answer the rest with silence."""
    lines = sorted(set(_forwarded()))
    outward = any("oifname" in line for line in lines)
    rules = ["chain forward {", "type filter hook forward priority filter; policy drop;", *lines]
    rules += ['iifname "eth0" ct state established,related accept'] if outward else []
    rules += ["}", "chain outward {", "type nat hook postrouting priority srcnat;", 'oifname "eth0" masquerade', "}"]
    return "\n".join(rules) + "\n"


def _forwarded() -> Iterator[str]:
    for (owner, region, subnet_id), subnet in list(ec2._subnets.all_items()):
        if subnet["VpcId"] not in _reserved:
            continue
        for route in _routes(owner, region, subnet["VpcId"], subnet_id):
            destination = route.get("DestinationCidrBlock")
            if peering := route.get("VpcPeeringConnectionId"):
                peer = _peer_cidr(owner, region, peering, subnet["VpcId"])
                if peer and destination and ipaddress.IPv4Network(destination).overlaps(ipaddress.IPv4Network(peer)):
                    yield f"ip saddr {subnet['CidrBlock']} ip daddr {destination} ip daddr {peer} accept"
            elif route.get("NatGatewayId") or str(route.get("GatewayId", "")).startswith("igw-"):
                yield f'ip saddr {subnet["CidrBlock"]} oifname "eth0" accept'


def _routes(owner: str, region: str, vpc_id: str, subnet_id: str) -> list[Mapping[str, Any]]:
    """A subnet's routes: of the table it is associated with, else of its VPC's main one."""
    tables = [t for (o, r, _id), t in list(ec2._route_tables.all_items()) if (o, r) == (owner, region) and t["VpcId"] == vpc_id]
    own = [t for t in tables if any(a.get("SubnetId") == subnet_id for a in t["Associations"])]
    main = [t for t in tables if any(a.get("Main") for a in t["Associations"])]
    return [route for table in (own or main)[:1] for route in table["Routes"]]


def _peer_cidr(owner: str, region: str, peering_id: str, vpc_id: str) -> str | None:
    """The range at the other end of an active peering."""
    peering = ec2._vpc_peering.get_scoped(owner, region, peering_id)
    if not peering or peering["Status"]["Code"] != "active":
        return None
    ends = [peering["RequesterVpcInfo"], peering["AccepterVpcInfo"]]
    other = next((end for end in ends if end["VpcId"] != vpc_id), None)
    vpc = ec2._vpcs.get_scoped(other["OwnerId"], region, other["VpcId"]) if other else None
    return str(vpc["CidrBlock"]) if vpc else None


def _filter(member: _Member) -> str:
    """A member's rules: nothing in but what its groups allow and answers; nothing out but what they allow."""
    found = [ec2._security_groups.get_scoped(member.account, settings.REGION, group) for group in member.groups]
    ingress = [rule for group in found if group for permission in group["IpPermissions"] for rule in _rules(permission, "saddr")]
    egress = [rule for group in found if group for permission in group["IpPermissionsEgress"] for rule in _rules(permission, "daddr")]
    named = sorted({word[1:] for rule in ingress + egress for word in rule.split() if word.startswith("@")})
    always = ['iif "lo" accept', "ct state established,related accept"]
    out = ['oif "lo" accept', "ct state established,related accept", f"ip daddr {settings.LINK_LOCAL} accept"]
    lines = [f"set {name} {{ type ipv4_addr; {_elements(name)} }}" for name in named]
    lines += ["chain in {", "type filter hook input priority filter; policy drop;", *always, *sorted(set(ingress)), "}"]
    lines += ["chain out {", "type filter hook output priority filter; policy drop;", *out, *sorted(set(egress)), "}"]
    return "\n".join(lines) + "\n"


def _elements(set_name: str) -> str:
    group = set_name.replace("_", "-")
    # One that has died and is not yet withdrawn has no address any more.
    addresses = sorted(m.address for m in _members.values() if group in m.groups and m.address)
    return f"elements = {{ {', '.join(addresses)} }};" if addresses else ""


def _rules(permission: Mapping[str, Any], side: str) -> Iterator[str]:
    """One permission as nftables statements, one for each of its sources (or destinations)."""
    peers = [f"ip {side} {item['CidrIp']}" for item in permission.get("IpRanges", [])]
    peers += [f"ip {side} @{pair['GroupId'].replace('-', '_')}" for pair in permission.get("UserIdGroupPairs", []) if pair.get("GroupId")]
    for peer in peers:
        yield f"{peer.replace(f'ip {side} 0.0.0.0/0', 'meta nfproto ipv4')} {_protocol(permission)} accept".replace("  ", " ")


def _protocol(permission: Mapping[str, Any]) -> str:
    name = {"6": "tcp", "17": "udp", "1": "icmp"}.get(str(permission["IpProtocol"]), str(permission["IpProtocol"]))
    low, high = permission.get("FromPort", -1), permission.get("ToPort", -1)
    if name in ("-1", "all"):
        return ""
    if name in ("tcp", "udp"):
        return f"{name} dport {low}-{high}" if (low, high) not in ((-1, -1), (0, 65535)) else f"meta l4proto {name}"
    if name == "icmp":
        return "meta l4proto icmp" if low == -1 else f"icmp type {low}"
    raise Refused("InvalidParameterValue", f"The local cloud filters tcp, udp and icmp, not protocol {name}")
