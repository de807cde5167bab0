"""What the templates promise: users see no seam, nobody comes in but by the bastion, nothing lies about unencrypted."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.twine.platform.plugins.module_utils._stacks.template import Template, load

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "cloudformation"
TEMPLATES = {path.stem: load(path) for path in sorted(FOLDER.glob("*.yml"))}
SLOWEST_REQUEST = 30  # seconds; what takes longer is the worker's
EVERYONE = ("0.0.0.0/0", "::/0")


def of_type(kind: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for name, template in TEMPLATES.items():
        for logical, resource in template.resources.items():
            if resource["Type"] == kind:
                yield name, logical, resource


def properties(template: str, logical: str) -> dict[str, Any]:
    found: dict[str, Any] = TEMPLATES[template].resources[logical]["Properties"]
    return found


def attribute(pairs: list[dict[str, str]], key: str) -> int:
    return int(next(pair["Value"] for pair in pairs if pair["Key"] == key))


def role_default(role: str, variable: str) -> int:
    return int(yaml.safe_load((ROOT / "roles" / role / "defaults" / "main.yml").read_text())[variable])


IDLE = attribute(properties("application", "Balancer")["LoadBalancerAttributes"], "idle_timeout.timeout_seconds")
DEREGISTRATION = attribute(properties("application", "Targets")["TargetGroupAttributes"], "deregistration_delay.timeout_seconds")


def test_a_machine_keeps_a_connection_longer_than_the_balancer_does() -> None:
    assert role_default("nginx", "nginx_keepalive_timeout") > IDLE


def test_a_leaving_machine_ends_the_slowest_request() -> None:
    assert role_default("nginx", "nginx_read_timeout") <= SLOWEST_REQUEST < DEREGISTRATION
    assert role_default("nginx", "nginx_stop_timeout") >= role_default("nginx", "nginx_read_timeout")


def test_the_application_may_end_its_requests_before_it_is_killed() -> None:
    serve = (ROOT / "packages/twine/src/twine/server.py").read_text()
    graceful = re.search(r"^GRACEFUL_SECONDS\s*=\s*(\d+)", serve, re.MULTILINE)
    unit = re.search(r"^TimeoutStopSec=(\d+)", (ROOT / "packages/twine/debian/twine.service").read_text(), re.MULTILINE)
    assert graceful and unit
    assert int(graceful[1]) <= int(unit[1]) < DEREGISTRATION


def test_the_balancer_asks_whether_a_machine_can_serve() -> None:
    assert properties("application", "Targets")["HealthCheckPath"] == "/ready"


def test_a_refresh_starts_before_it_ends_and_never_goes_below_what_is_wanted_now() -> None:
    preferences = TEMPLATES["application"].resources["Machines"]["UpdatePolicy"]["AutoScalingInstanceRefresh"]["Preferences"]
    assert preferences["MinHealthyPercentage"] == 100
    declared = yaml.safe_load(TEMPLATES["application"].body)["Parameters"][preferences["MaxHealthyPercentage"]["Ref"]]
    assert declared["MinValue"] > 100


def test_no_deploy_touches_the_capacity_that_scaling_chose() -> None:
    assert [logical for _template, logical, group in of_type("AWS::AutoScaling::AutoScalingGroup") if "DesiredCapacity" in group["Properties"]] == []


def test_no_update_suspends_scaling() -> None:
    assert "SuspendProcesses" not in "".join(template.body for template in TEMPLATES.values())


def test_images_are_concrete_ids() -> None:
    for template in ("application", "search", "bastion"):
        image = TEMPLATES[template].parameters["ImageId"]
        assert image.type == "AWS::EC2::Image::Id" and image.required
    assert not any("SSM::Parameter::Value" in declared.type for template in TEMPLATES.values() for declared in template.parameters.values())


def test_machines_have_metadata_version_2_and_encrypted_disks() -> None:
    found = list(of_type("AWS::EC2::LaunchTemplate"))
    assert len(found) == 3
    for _template, _logical, resource in found:
        data = resource["Properties"]["LaunchTemplateData"]
        assert data["MetadataOptions"]["HttpTokens"] == "required" and data["MetadataOptions"]["HttpPutResponseHopLimit"] == 1
        assert all(disk["Ebs"]["Encrypted"] for disk in data["BlockDeviceMappings"])


def test_what_holds_data_is_encrypted_and_outlives_its_stack() -> None:
    database = TEMPLATES["data"].resources["Database"]
    assert database["Properties"]["StorageEncrypted"] and database["Properties"]["DeletionProtection"]
    assert not database["Properties"]["PubliclyAccessible"]
    assert properties("data", "Cache")["AtRestEncryptionEnabled"]
    for kind in ("AWS::RDS::DBInstance", "AWS::ElastiCache::ReplicationGroup", "AWS::SecretsManager::Secret", "AWS::Route53::HostedZone"):
        for name, logical, resource in of_type(kind):
            kept = {resource.get("DeletionPolicy"), resource.get("UpdateReplacePolicy")}
            assert kept <= {"Snapshot", "Retain"}, f"{name}.{logical}"


def ingress() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for name, logical, group in of_type("AWS::EC2::SecurityGroup"):
        for rule in group["Properties"].get("SecurityGroupIngress", []):
            for one in rule["Fn::If"][1:] if "Fn::If" in rule else [rule]:
                if "FromPort" in one:
                    yield name, logical, one


def test_ssh_comes_from_the_bastions_network_or_the_operators_only() -> None:
    sources = {(name, str(rule.get("CidrIp"))) for name, _logical, rule in ingress() if rule["FromPort"] <= 22 <= rule["ToPort"]}
    assert sources == {
        ("application", str({"Ref": "BastionCidr"})),
        ("search", str({"Ref": "BastionCidr"})),
        ("bastion", str({"Ref": "OperatorCidr"})),
    }


def test_only_the_balancer_is_open_to_everyone() -> None:
    assert {(name, logical) for name, logical, rule in ingress() if rule.get("CidrIp") in EVERYONE} == {("application", "BalancerGroup")}


def test_a_machine_of_the_application_takes_requests_from_its_balancer_only() -> None:
    web = [rule for name, logical, rule in ingress() if (name, logical) == ("application", "MachineGroup") and rule["FromPort"] == 80]
    assert [rule["SourceSecurityGroupId"] for rule in web] == [{"Fn::GetAtt": ["BalancerGroup", "GroupId"]}]


def statements() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for name, logical, resource in (*of_type("AWS::IAM::Role"), *of_type("AWS::IAM::ManagedPolicy")):
        documents = [policy["PolicyDocument"] for policy in resource["Properties"].get("Policies", [])]
        documents += [resource["Properties"]["PolicyDocument"]] if "PolicyDocument" in resource["Properties"] else []
        for document in documents:
            for statement in document["Statement"]:
                yield name, logical, statement


def test_no_policy_allows_by_wildcard() -> None:
    for name, logical, statement in statements():
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        assert not any("*" in action for action in actions), f"{name}.{logical}"


def test_every_resource_is_bounded_but_for_what_iam_cannot_bound() -> None:
    unbounded = {
        (name, logical, statement.get("Sid"))
        for name, logical, statement in statements()
        if statement["Resource"] == "*" and "Condition" not in statement
    }
    # Listing stacks, making a random password and Route 53's zones know no narrower resource.
    assert unbounded == {("access", "Stacks", "Look"), ("access", "Stacks", "GeneratePasswords"), ("access", "Network", "Zones")}


def test_every_machines_role_wears_the_boundary() -> None:
    roles = [resource["Properties"] for name, _logical, resource in of_type("AWS::IAM::Role") if name != "access"]
    assert len(roles) == 3 and all(role["PermissionsBoundary"] == {"Ref": "MachineBoundaryArn"} for role in roles)


def test_the_deployer_is_assumed_with_an_external_id() -> None:
    trust = properties("access", "DeployerRole")["AssumeRolePolicyDocument"]["Statement"]
    assert [statement["Condition"] for statement in trust] == [{"StringEquals": {"sts:ExternalId": {"Ref": "ExternalId"}}}]


def test_user_data_holds_no_secret() -> None:
    for name, _logical, resource in of_type("AWS::EC2::LaunchTemplate"):
        assert "resolve:" not in str(resource["Properties"]["LaunchTemplateData"]["UserData"]), name


def test_who_serves_is_another_user_of_the_database_than_who_migrates() -> None:
    data, outputs = TEMPLATES["data"].resources, yaml.safe_load(re.sub(r"!\w+", "", TEMPLATES["data"].body))["Outputs"]
    admin, application = (outputs[name]["Value"]["Ref"] for name in ("DatabaseAdminSecret", "DatabaseSecret"))
    assert f"${{{admin}}}" in data["Database"]["Properties"]["MasterUsername"]["Fn::Sub"]
    users = [data[name]["Properties"]["GenerateSecretString"]["SecretStringTemplate"] for name in (admin, application)]
    assert users == ['{"username": "twine"}', '{"username": "twine_application"}']


def test_only_machines_of_the_application_may_read_the_databases_secrets_and_only_the_admins_group_the_admins() -> None:
    readers = {name for name, _logical, statement in statements() if "DatabaseAdminSecret" in str(statement["Resource"])}
    assert readers == {"application"}
    told = [name for name, _logical, resource in of_type("AWS::EC2::LaunchTemplate") if "DATABASE_ADMIN_SECRET_ARN" in str(resource)]
    assert told == ["application"]
    migrates, serves = ((ROOT / f"packages/twine/debian/twine.{unit}service").read_text() for unit in ("twine-migrate.", ""))
    assert "\nUser=twine-admin\n" in migrates and "\nUser=twine\n" in serves
    assert "adduser --quiet twine-admin twine\n" in (ROOT / "packages/twine/debian/twine.postinst").read_text()


@pytest.mark.parametrize("name", sorted(TEMPLATES))
def test_a_template_says_what_it_and_each_of_its_values_is(name: str) -> None:
    raw = TEMPLATES[name].body
    template: Template = TEMPLATES[name]
    assert re.search(r"^Description: \S", raw, re.MULTILINE)
    assert raw.count("\n    Description: ") >= len(template.parameters) + len(template.outputs)
    assert "\nMappings:" not in raw
    if len(template.parameters) > 4:
        assert "AWS::CloudFormation::Interface" in raw
