"""CloudFormation's network types: VPCs that are networks, rules and routes that reach the kernel, peering, addresses.

Attributes and replacement rules are those of https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any

from ministack.core import iam_evaluator
from ministack.services import ec2, iam
from ministack.services.cloudformation import provisioners

from local_cloud.plugin import emulator, fabric, settings
from local_cloud.plugin.requests import Refused

Props = dict[str, Any]
Made = tuple[str, dict[str, Any]]

REPLACING = {
    "AWS::EC2::EIP": ("Domain", "NetworkBorderGroup", "TransferAddress"),
    "AWS::EC2::EIPAssociation": ("AllocationId", "EIP", "InstanceId", "NetworkInterfaceId", "PrivateIpAddress"),
    "AWS::EC2::NatGateway": ("AllocationId", "ConnectivityType", "PrivateIpAddress", "SubnetId", "VpcId"),
    "AWS::EC2::Route": ("DestinationCidrBlock", "DestinationIpv6CidrBlock", "RouteTableId"),
    "AWS::EC2::RouteTable": ("VpcId",),
    "AWS::EC2::SecurityGroup": ("GroupDescription", "GroupName", "VpcId"),
    "AWS::EC2::Subnet": ("AvailabilityZone", "AvailabilityZoneId", "CidrBlock", "VpcId"),
    "AWS::EC2::SubnetRouteTableAssociation": ("RouteTableId", "SubnetId"),
    "AWS::EC2::VPC": ("CidrBlock",),
    "AWS::EC2::VPCPeeringConnection": ("PeerOwnerId", "PeerRegion", "PeerRoleArn", "PeerVpcId", "VpcId"),
}
RULE = ("CidrIp", "FromPort", "GroupId", "IpProtocol", "ToPort", "SourceSecurityGroupId", "SourceSecurityGroupOwnerId", "DestinationSecurityGroupId")
# EC2 actions that change what the kernel must be told.
NETWORK_ACTIONS = (
    *("AuthorizeSecurityGroupEgress", "AuthorizeSecurityGroupIngress", "RevokeSecurityGroupEgress", "RevokeSecurityGroupIngress"),
    *("ModifySecurityGroupRules", "CreateRoute", "ReplaceRoute", "DeleteRoute", "AssociateRouteTable", "DisassociateRouteTable"),
    *("ReplaceRouteTableAssociation", "AcceptVpcPeeringConnection", "DeleteVpcPeeringConnection"),
)


def _tags(resource_id: str, props: Props) -> None:
    ec2._tags[resource_id] = [{"Key": str(t["Key"]), "Value": str(t["Value"])} for t in props.get("Tags") or []]


def retagged(attributes: Callable[[str], dict[str, Any]]) -> Callable[..., Made]:
    """The update of a type whose every other change replaces it."""

    def update(physical_id: str, old: Props, new: Props, stack_name: str) -> Made:
        found = attributes(physical_id)
        _tags(found.get("AllocationId", physical_id), new)
        return physical_id, found

    return update


def _checked(response: Any) -> str:
    """The body of an EC2 action called from here, or the reason why not."""
    text = str(response[2].decode())
    if response[0] >= 400:
        raise Refused(text.partition("<Code>")[2].partition("<")[0], text.partition("<Message>")[2].partition("<")[0])
    return text


def synced(original: Callable[..., Any], *arguments: Any) -> Any:
    """The emulator's handler, and then the kernel."""
    made = original(*arguments)
    fabric.sync()
    return made


# --- VPC, subnet --------------------------------------------------------------------------------------------------


def _vpc_attributes(vpc_id: str, made: Made) -> Made:
    cidr = ec2._vpcs[vpc_id]["CidrBlock"]
    return vpc_id, {**made[1], "CidrBlock": cidr, "VpcId": vpc_id, "CidrBlockAssociations": []}


def create_vpc(original: Callable[..., Made], logical_id: str, props: Props, stack_name: str) -> Made:
    cidr = ipaddress.IPv4Network(props["CidrBlock"])
    if not 16 <= cidr.prefixlen <= 28:
        raise Refused("InvalidVpc.Range", f"The CIDR '{cidr}' is invalid.")
    made = original(logical_id, props, stack_name)
    try:
        fabric.create_vpc(made[0], str(cidr))
    except Refused:
        provisioners._ec2_vpc_delete(made[0], props)
        raise
    return _vpc_attributes(made[0], made)


def update_vpc(original: Callable[..., Made], vpc_id: str, *rest: Any) -> Made:
    return _vpc_attributes(vpc_id, original(vpc_id, *rest))


def delete_vpc(original: Callable[..., None], vpc_id: str, props: Props) -> None:
    fabric.delete_vpc(vpc_id)
    original(vpc_id, props)


def create_subnet(original: Callable[..., Made], logical_id: str, props: Props, stack_name: str) -> Made:
    net = ipaddress.IPv4Network(props["CidrBlock"])
    vpc = ec2._vpcs.get(props["VpcId"])
    if vpc is None:
        raise Refused("InvalidVpcID.NotFound", f"The vpc ID '{props['VpcId']}' does not exist")
    if not net.subnet_of(ipaddress.IPv4Network(vpc["CidrBlock"])):
        raise Refused("InvalidSubnet.Range", f"The CIDR '{net}' is invalid.")
    for other in ec2._subnets.values():
        if other["VpcId"] == props["VpcId"] and net.overlaps(ipaddress.IPv4Network(other["CidrBlock"])):
            raise Refused("InvalidSubnet.Conflict", f"The CIDR '{net}' conflicts with another subnet ({other['SubnetId']})")
    made = original(logical_id, props, stack_name)
    return _subnet_attributes(made)


def _subnet_attributes(made: Made) -> Made:
    record = ec2._subnets[made[0]]
    return made[0], {**made[1], "CidrBlock": record["CidrBlock"], "VpcId": record["VpcId"]}


def update_subnet(original: Callable[..., Made], *rest: Any) -> Made:
    return _subnet_attributes(original(*rest))


def delete_subnet(original: Callable[..., None], subnet_id: str, props: Props) -> None:
    if used := fabric.members(subnet_id=subnet_id):
        raise Refused("DependencyViolation", f"The subnet '{subnet_id}' has dependencies and cannot be deleted: {', '.join(used)}.")
    original(subnet_id, props)


# --- security groups ----------------------------------------------------------------------------------------------


def group(original: Callable[..., Made], *arguments: Any) -> Made:
    group_id, attributes = original(*arguments)
    fabric.sync()
    return group_id, {**attributes, "Id": group_id, "GroupId": group_id}


def delete_group(original: Callable[..., None], group_id: str, props: Props) -> None:
    referring = [
        other["GroupId"]
        for other in ec2._security_groups.all_values()
        for permission in other["IpPermissions"] + other["IpPermissionsEgress"]
        for pair in permission.get("UserIdGroupPairs", [])
        if pair.get("GroupId") == group_id and other["GroupId"] != group_id
    ]
    if used := [*fabric.members(group_id=group_id), *referring]:
        raise Refused("DependencyViolation", f"resource {group_id} has a dependent object: {', '.join(sorted(used))}")
    original(group_id, props)


def _rule_store(props: Props, side: str) -> list[Any]:
    record = ec2._security_groups.get(props.get("GroupId", ""))
    if record is None:
        raise Refused("InvalidGroup.NotFound", f"The security group '{props.get('GroupId')}' does not exist")
    store: list[Any] = record[side]
    return store


def _rule_type(name: str, side: str) -> None:
    """AWS::EC2::SecurityGroupIngress or -Egress: one rule, apart from its group."""

    def create(logical_id: str, props: Props, stack_name: str) -> Made:
        store, [rule] = _rule_store(props, side), provisioners._ec2_sg_permissions([props])
        if any(ec2._strip_descriptions(rule) == ec2._strip_descriptions(known) for known in store):
            raise Refused("InvalidPermission.Duplicate", f"the specified rule already exists in {props['GroupId']}")
        rule_id = ec2._sg_rule_id(props["GroupId"], side.endswith("Egress"), rule)
        store.append(rule)
        fabric.sync()
        return rule_id, {"Id": rule_id}

    def delete(rule_id: str, props: Props) -> None:
        if ec2._security_groups.get(props["GroupId"]):
            store, [rule] = _rule_store(props, side), provisioners._ec2_sg_permissions([props])
            store[:] = [known for known in store if ec2._strip_descriptions(known) != ec2._strip_descriptions(rule)]
            fabric.sync()

    def update(rule_id: str, old: Props, new: Props, stack_name: str) -> Made:
        return rule_id, {"Id": rule_id}

    emulator.register_type(name, create=create, update=update, delete=delete, replacing=RULE, blocking=True)


# --- routes and peering -------------------------------------------------------------------------------------------


def create_route(original: Callable[..., Made], logical_id: str, props: Props, stack_name: str) -> Made:
    table = ec2._route_tables.get(props["RouteTableId"])
    if table is None:
        raise Refused("InvalidRouteTableID.NotFound", f"The routeTable ID '{props['RouteTableId']}' does not exist")
    if any(r.get("DestinationCidrBlock") == props.get("DestinationCidrBlock") for r in table["Routes"]):
        raise Refused("RouteAlreadyExists", f"The route identified by {props.get('DestinationCidrBlock')} already exists.")
    if (peering := props.get("VpcPeeringConnectionId")) and peering not in ec2._vpc_peering:
        raise Refused("InvalidVpcPeeringConnectionID.NotFound", f"The vpcPeeringConnection ID '{peering}' does not exist")
    made = original(logical_id, props, stack_name)
    fabric.sync()
    return made[0], {**made[1], "CidrBlock": props.get("DestinationCidrBlock", "")}


def create_peering(logical_id: str, props: Props, stack_name: str) -> Made:
    """Request and, as CloudFormation does, accept: in the own account at once, in another by the role that is given."""
    owner, peer = emulator.account(), str(props.get("PeerOwnerId") or emulator.account())
    if str(props.get("PeerRegion") or settings.REGION) != settings.REGION:
        raise Refused("InvalidParameterValue", f"The local cloud has one region, {settings.REGION}")
    ends = [ec2._vpcs.get(props["VpcId"]), ec2._vpcs.get_scoped(peer, settings.REGION, props["PeerVpcId"])]
    if None in ends:
        raise Refused("InvalidVpcID.NotFound", f"The vpc ID '{props['VpcId']}' or '{props['PeerVpcId']}' (of {peer}) does not exist")
    if ipaddress.IPv4Network(ends[0]["CidrBlock"]).overlaps(ipaddress.IPv4Network(ends[1]["CidrBlock"])):
        raise Refused("InvalidVpcPeeringConnection", "Failed due to incorrect VPC-ID, Account ID, or overlapping CIDR range")
    if peer != owner:
        _may_accept(str(props.get("PeerRoleArn") or ""), peer)
    request = {"VpcId": [props["VpcId"]], "PeerVpcId": [props["PeerVpcId"]], "PeerOwnerId": [peer]}
    text = _checked(ec2._create_vpc_peering_connection(request))
    peering_id = text.partition("<vpcPeeringConnectionId>")[2].partition("<")[0]
    _tags(peering_id, props)
    _checked(ec2._accept_vpc_peering_connection({"VpcPeeringConnectionId": [peering_id]}))
    fabric.sync()
    return peering_id, {"Id": peering_id}


def _may_accept(role_arn: str, peer: str) -> None:
    """The peer's role must trust whoever runs the stack and be allowed to accept; else the request would wait for ever."""
    role_name = role_arn.rpartition("/")[2]
    role = iam._roles.get_scoped(peer, None, role_name)
    caller = iam_evaluator.caller_arn()
    if role is None or role["Arn"] != role_arn or not iam_evaluator.evaluate_trust_policy(role["AssumeRolePolicyDocument"], caller):
        raise Refused("AccessDenied", f"Failed to accept the peering in {peer}: {caller} may not assume PeerRoleArn '{role_arn}'", 403)
    asked = iam_evaluator.EvalContext(
        principal_arn=role_arn,
        principal_type="AssumedRole",
        principal_account=peer,
        action="ec2:AcceptVpcPeeringConnection",
        resource_arn=f"arn:aws:ec2:{settings.REGION}:{peer}:vpc-peering-connection/*",
        region=settings.REGION,
    )
    if iam_evaluator.evaluate(asked, iam_evaluator._gather_role_policies(role_name, peer)).decision != "Allow":
        raise Refused("AccessDenied", f"Failed to accept the peering: {role_arn} is not authorized to perform ec2:AcceptVpcPeeringConnection", 403)


def delete_peering(peering_id: str, props: Props) -> None:
    if peering_id in ec2._vpc_peering:
        _checked(ec2._delete_vpc_peering_connection({"VpcPeeringConnectionId": [peering_id]}))
        fabric.sync()


# --- addresses ----------------------------------------------------------------------------------------------------


def create_eip(logical_id: str, props: Props, stack_name: str) -> Made:
    text = _checked(ec2._allocate_address({"Domain": [props.get("Domain", "vpc")]}))
    allocation = text.partition("<allocationId>")[2].partition("<")[0]
    record = ec2._addresses[allocation]
    record["PublicIp"] = ec2._random_ip("203.0.113.")  # a documentation range: nothing here is on the internet
    _tags(allocation, props)
    if props.get("InstanceId"):
        _checked(ec2._associate_address({"AllocationId": [allocation], "InstanceId": [props["InstanceId"]]}))
        _show_address(props["InstanceId"], record["PublicIp"])
    return record["PublicIp"], {"AllocationId": allocation, "PublicIp": record["PublicIp"]}


def _allocation(public_ip: str) -> str:
    return next((key for key, record in ec2._addresses.items() if record["PublicIp"] == public_ip), "")


def _show_address(instance_id: str, public_ip: str) -> None:
    if record := ec2._instances.get(instance_id):
        record["PublicIpAddress"] = public_ip


def delete_eip(public_ip: str, props: Props) -> None:
    if allocation := _allocation(public_ip):
        _checked(ec2._release_address({"AllocationId": [allocation]}))


def create_eip_association(logical_id: str, props: Props, stack_name: str) -> Made:
    allocation = props.get("AllocationId") or _allocation(props.get("EIP", ""))
    text = _checked(ec2._associate_address({"AllocationId": [allocation], "InstanceId": [props.get("InstanceId", "")]}))
    _show_address(props.get("InstanceId", ""), ec2._addresses[allocation]["PublicIp"])
    association = text.partition("<associationId>")[2].partition("<")[0]
    return association, {"Id": association}


def delete_eip_association(association: str, props: Props) -> None:
    _checked(ec2._disassociate_address({"AssociationId": [association]}))
    _show_address(props.get("InstanceId", ""), "")


def create_nat(logical_id: str, props: Props, stack_name: str) -> Made:
    if props.get("ConnectivityType", "public") == "public" and props.get("AllocationId") not in ec2._addresses:
        raise Refused("InvalidAllocationID.NotFound", f"The allocation ID '{props.get('AllocationId')}' does not exist")
    text = _checked(ec2._create_nat_gateway({key: [props[key]] for key in ("SubnetId", "AllocationId", "ConnectivityType") if key in props}))
    nat_id = text.partition("<natGatewayId>")[2].partition("<")[0]
    _tags(nat_id, props)
    return nat_id, {"NatGatewayId": nat_id}


def delete_nat(nat_id: str, props: Props) -> None:
    _checked(ec2._delete_nat_gateway({"NatGatewayId": [nat_id]}))
    fabric.sync()


def install() -> None:
    for name, properties in REPLACING.items():
        provisioners._REPLACING_PROPERTIES[name] = properties
    emulator.wrap_type("AWS::EC2::VPC", create=create_vpc, update=update_vpc, delete=delete_vpc, blocking=True)
    emulator.wrap_type("AWS::EC2::Subnet", create=create_subnet, update=update_subnet, delete=delete_subnet)
    emulator.wrap_type("AWS::EC2::SecurityGroup", create=group, update=group, delete=delete_group, blocking=True)
    emulator.wrap_type("AWS::EC2::Route", create=create_route, update=synced, delete=synced, blocking=True)
    emulator.wrap_type("AWS::EC2::SubnetRouteTableAssociation", create=synced, delete=synced, blocking=True)
    _rule_type("AWS::EC2::SecurityGroupIngress", "IpPermissions")
    _rule_type("AWS::EC2::SecurityGroupEgress", "IpPermissionsEgress")
    for name, create, delete, attributes in (
        ("AWS::EC2::VPCPeeringConnection", create_peering, delete_peering, lambda i: {"Id": i}),
        ("AWS::EC2::EIP", create_eip, delete_eip, lambda ip: {"AllocationId": _allocation(ip), "PublicIp": ip}),
        ("AWS::EC2::NatGateway", create_nat, delete_nat, lambda i: {"NatGatewayId": i}),
    ):
        emulator.register_type(name, create=create, update=retagged(attributes), delete=delete, replacing=REPLACING[name], blocking=True)
    emulator.register_type(
        "AWS::EC2::EIPAssociation", create=create_eip_association, delete=delete_eip_association, replacing=REPLACING["AWS::EC2::EIPAssociation"]
    )
    for action in NETWORK_ACTIONS:
        emulator.after_action("ec2", action, fabric.sync)
