"""Where the emulator's CloudFormation differs from AWS: what `Ref` gives, what replaces, and how a secret is generated."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from ministack.services import iam, secretsmanager
from ministack.services.cloudformation import provisioners

from local_cloud.plugin import emulator

Translate = Callable[[str], str]


def _profile_arn(name: str) -> str:
    return str(iam._instance_profiles.get(name, {}).get("Arn", name))


def _secret_arn(name: str) -> str:
    return str(secretsmanager._secrets.get(name, {}).get("ARN", name))


def _secret_name(arn: str) -> str:
    return arn.partition(":secret:")[2].rpartition("-")[0] or arn


# Type → what AWS's Ref is, from the emulator's physical id, and back.
REFS: dict[str, tuple[Translate, Translate]] = {
    "AWS::IAM::InstanceProfile": (lambda arn: arn.rpartition("/")[2], _profile_arn),
    "AWS::SecretsManager::Secret": (_secret_arn, _secret_name),
}


# Type → properties whose change replaces; a change set says so, and for every other that it does not.
REPLACING = {
    "AWS::AutoScaling::AutoScalingGroup": ("AutoScalingGroupName", "InstanceId"),
    "AWS::AutoScaling::ScalingPolicy": ("AutoScalingGroupName",),
    "AWS::EC2::LaunchTemplate": ("LaunchTemplateName", "TagSpecifications"),
    "AWS::ElasticLoadBalancingV2::Listener": ("LoadBalancerArn",),
    "AWS::Route53::HostedZone": ("Name",),
    "AWS::Route53::RecordSet": ("HostedZoneId", "HostedZoneName", "Name"),
    "AWS::SecretsManager::Secret": ("Name",),
}


def _correct(name: str, outward: Translate, inward: Translate) -> None:
    def made(result: tuple[str, dict[str, Any]]) -> tuple[str, dict[str, Any]]:
        return outward(result[0]), result[1]

    emulator.wrap_type(
        name,
        create=lambda original, *rest: made(original(*rest)),
        update=lambda original, physical_id, *rest: made(original(inward(physical_id), *rest)),
        delete=lambda original, physical_id, *rest: original(inward(physical_id), *rest),
    )


def secret_string(props: Mapping[str, Any]) -> str:
    """The value of a secret: given, or generated with all that GenerateSecretString says."""
    wanted = props.get("GenerateSecretString")
    if not wanted:
        return str(props.get("SecretString", ""))
    options = {key: {"true": True, "false": False}.get(str(value).lower(), value) for key, value in wanted.items()}
    options["PasswordLength"] = int(options.get("PasswordLength", 32))
    password = str(json.loads(secretsmanager._get_random_password(options)[2])["RandomPassword"])
    if "SecretStringTemplate" not in wanted:
        return password
    return json.dumps({**json.loads(wanted["SecretStringTemplate"]), wanted["GenerateStringKey"]: password})


def install() -> None:
    provisioners._sm_secret_string = secret_string
    provisioners._REPLACING_PROPERTIES.update(REPLACING)
    for name, (outward, inward) in REFS.items():
        _correct(name, outward, inward)
