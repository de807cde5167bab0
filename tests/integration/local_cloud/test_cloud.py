"""The control plane as a whole: accounts, machines, metadata, filters, peering, on real containers."""

from __future__ import annotations

import json

import boto3
import botocore.exceptions
import pytest

from tests.integration.local_cloud.conftest import ACCOUNTS, OPERATOR, Side, Stacks, client, docker, local_cloud, until

Sides = dict[str, Side]


@pytest.fixture(scope="module")
def roles(stacks: Stacks) -> dict[str, str]:
    return stacks.deploy("bastion", "probe-roles", "roles.yml", Operator=OPERATOR, Peer=ACCOUNTS["dns"])


def assume(role: str, external_id: str) -> boto3.Session:
    given = client("operator", "sts").assume_role(RoleArn=role, RoleSessionName="probe", ExternalId=external_id)["Credentials"]
    return boto3.Session(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"], region_name="eu-west-2")


def test_the_operator_may_do_nothing_but_assume(roles: dict[str, str]) -> None:
    with pytest.raises(botocore.exceptions.ClientError, match="not authorized to perform: ec2:DescribeVpcs"):
        client("operator", "ec2").describe_vpcs()


def test_a_role_is_assumed_with_its_external_id_and_allows_what_its_policy_says(roles: dict[str, str]) -> None:
    with pytest.raises(botocore.exceptions.ClientError, match="AccessDenied"):
        assume(roles["Looker"], "guessed")
    session = assume(roles["Looker"], "agreed")
    assert client(session, "ec2").describe_vpcs()["Vpcs"]
    with pytest.raises(botocore.exceptions.ClientError, match="ec2:DescribeSubnets"):
        client(session, "ec2").describe_subnets()


def test_a_machine_runs_systemd_at_its_address_with_its_quota(sides: Sides) -> None:
    machine = sides["dns"]
    until(lambda: machine.run("systemctl", "is-system-running").stdout.strip() == "running", "systemd")
    assert f"inet {machine.outputs['Address']}/16" in machine.run("ip", "address").stdout
    assert docker("inspect", "--format", "{{.HostConfig.NanoCpus}}", machine.container) == "250000000"


def test_a_machine_learns_who_it_is_and_reads_its_own_secret_only(sides: Sides) -> None:
    machine = sides["dns"]
    assert machine.metadata("meta-data/instance-id") == machine.outputs["Machine"]
    assert machine.metadata("user-data") == f"SECRET_ARN={machine.outputs['Secret']}\n"
    given = json.loads(machine.metadata(f"meta-data/iam/security-credentials/{machine.outputs['Role']}"))
    session = boto3.Session(given["AccessKeyId"], given["SecretAccessKey"], given["Token"], region_name="eu-west-2")
    secrets = client(session, "secretsmanager")
    assert secrets.get_secret_value(SecretId=machine.outputs["Secret"])["SecretString"].isalnum()
    with pytest.raises(botocore.exceptions.ClientError, match="AccessDenied"):
        secrets.get_secret_value(SecretId=machine.outputs["Other"])


@pytest.mark.parametrize("path", ["_local_cloud/addresses", "_ministack/health"])
def test_a_machine_reaches_the_apis_and_not_the_clouds_own_levers(sides: Sides, path: str) -> None:
    program = "import sys, urllib.request as r\nr.urlopen('http://169.254.169.254:4566/' + sys.argv[1])"
    assert "HTTP Error 403" in sides["dns"].run("python3", "-c", program, path).stderr


def open_port(side: Side, other: Side) -> dict[str, object]:
    pair = {"GroupId": other.outputs["Group"], "UserId": ACCOUNTS[other.account]}
    return {"GroupId": side.outputs["Group"], "IpPermissions": [{"IpProtocol": "tcp", "FromPort": 8000, "ToPort": 8000, "UserIdGroupPairs": [pair]}]}


def test_between_networks_goes_what_peering_routes_and_groups_allow(stacks: Stacks, sides: Sides, roles: dict[str, str]) -> None:
    dns, bastion = sides["dns"], sides["bastion"]
    groups = client("dns", "ec2")
    groups.authorize_security_group_ingress(**open_port(dns, bastion))
    assert not bastion.reaches(dns, 8000), "no peering"
    ends = {"Vpc": dns.outputs["Vpc"], "PeerVpc": bastion.outputs["Vpc"], "PeerAccount": ACCOUNTS["bastion"], "PeerRole": roles["Accepter"]}
    made = stacks.deploy("dns", "probe-joined", "joined.yml", Routes=dns.outputs["Routes"], Cidr=bastion.outputs["Cidr"], **ends)
    assert not bastion.reaches(dns, 8000), "a route on one side only"
    stacks.deploy("bastion", "probe-joined", "joined.yml", Routes=bastion.outputs["Routes"], Cidr=dns.outputs["Cidr"], Peering=made["Peering"])
    assert bastion.reaches(dns, 8000) == bastion.outputs["Address"], "the source must survive"
    assert not dns.reaches(bastion, 8000), "no group lets it in"
    groups.revoke_security_group_ingress(**open_port(dns, bastion))
    assert not bastion.reaches(dns, 8000), "the group lets nothing in any more"
    groups.authorize_security_group_ingress(**open_port(dns, bastion))
    assert bastion.reaches(dns, 8000)
    stacks.delete("bastion", "probe-joined")
    assert not bastion.reaches(dns, 8000), "the route is gone"


def test_a_role_that_is_not_trusted_accepts_no_peering(stacks: Stacks, sides: Sides, roles: dict[str, str]) -> None:
    dns, bastion = sides["dns"].outputs, sides["bastion"].outputs
    ends = {"Vpc": dns["Vpc"], "PeerVpc": bastion["Vpc"], "PeerAccount": ACCOUNTS["bastion"], "PeerRole": roles["Looker"]}
    with pytest.raises(AssertionError, match="may not assume PeerRoleArn"):
        stacks.deploy("dns", "probe-refused", "joined.yml", Routes=dns["Routes"], Cidr=bastion["Cidr"], **ends)


def test_a_machine_that_is_killed_fails_its_status_check(sides: Sides, image: str) -> None:
    ec2 = client("dns", "ec2")
    subnet = ec2.describe_instances(InstanceIds=[sides["dns"].outputs["Machine"]])["Reservations"][0]["Instances"][0]["SubnetId"]
    [started] = ec2.run_instances(ImageId=image, InstanceType="t3.micro", SubnetId=subnet, MinCount=1, MaxCount=1)["Instances"]
    assert started["State"]["Name"] == "pending"

    def status() -> tuple[str, str]:
        [found] = ec2.describe_instance_status(InstanceIds=[started["InstanceId"]], IncludeAllInstances=True)["InstanceStatuses"]
        return found["InstanceState"]["Name"], found["InstanceStatus"]["Status"]

    until(lambda: status() == ("running", "ok"), "the machine")
    name = sides["dns"].container.replace(sides["dns"].outputs["Machine"], started["InstanceId"])
    docker("kill", name)
    until(lambda: status() == ("stopped", "impaired"), "the failed check")
    ec2.terminate_instances(InstanceIds=[started["InstanceId"]])
    until(lambda: status()[0] == "terminated", "its end")
    assert name not in docker("ps", "--all", "--format", "{{.Names}}")


def test_a_fault_is_injected_and_passes(sides: Sides) -> None:
    ec2 = client("dns", "ec2")
    local_cloud("fault", "throttle", "--action", "DescribeInstances", "--account", "dns", "--times", "1")
    assert ec2.describe_instances()["Reservations"], "a client tries again"
    assert json.loads(local_cloud("fault", "clear")) == {"pending": [], "capacity": {}, "slow": {}, "away": 0.0}
