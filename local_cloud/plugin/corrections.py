"""Where the emulator's CloudFormation gives another `Ref` than AWS: the value is translated on the way in and out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ministack.services import iam, secretsmanager

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


def _correct(name: str, outward: Translate, inward: Translate) -> None:
    def made(result: tuple[str, dict[str, Any]]) -> tuple[str, dict[str, Any]]:
        return outward(result[0]), result[1]

    emulator.wrap_type(
        name,
        create=lambda original, *rest: made(original(*rest)),
        update=lambda original, physical_id, *rest: made(original(inward(physical_id), *rest)),
        delete=lambda original, physical_id, *rest: original(inward(physical_id), *rest),
    )


def install() -> None:
    for name, (outward, inward) in REFS.items():
        _correct(name, outward, inward)
