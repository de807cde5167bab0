"""Keys across accounts: who names another account's key by its ARN is let in by the key's policy, and an account's groups by a grant.

https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-modifying-external-accounts.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ministack.core import iam_evaluator
from ministack.services import kms

from local_cloud.plugin import emulator, settings
from local_cloud.plugin.requests import Refused

Record = dict[str, Any]
# AWS's own key for EBS, of every account.
DEFAULT = "alias/aws/ebs"
_GROUPS = "arn:aws:iam::{account}:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"
_LAUNCH = frozenset({"CreateGrant", "Decrypt", "DescribeKey", "GenerateDataKeyWithoutPlaintext", "ReEncryptFrom", "ReEncryptTo"})


def find(account: str, wanted: str) -> Mapping[str, Any] | None:
    """A customer managed key by id, ARN or alias."""
    with emulator.scope(account):
        found = kms._resolve_key(wanted)
    return found if isinstance(found, Mapping) else None


def _lets(key: Mapping[str, Any], action: str, **context: str) -> bool:
    """Whether the policy of a key lets the caller, who is of another account."""
    asked = iam_evaluator.EvalContext(
        principal_arn=iam_evaluator.caller_arn(),
        principal_type="AssumedRole",
        principal_account=emulator.account(),
        action=f"kms:{action}",
        resource_arn=key["Arn"],
        region=settings.REGION,
        service_context={f"kms:{name}": value for name, value in context.items()},
    )
    return bool(iam_evaluator.evaluate_resource_policy(key.get("Policy"), asked).decision == "Allow")


def opens(owner: str, wanted: str, by_group: bool) -> bool:
    """Whether a machine of the current account can read a disk under another account's key: by a grant in groups, else by the policy."""
    key = find(owner, wanted)
    if key is None:
        return False
    if not by_group:
        return _lets(key, "Decrypt") and _lets(key, "CreateGrant", grantisforawsresource="true")
    role = _GROUPS.format(account=emulator.account())
    with emulator.scope(owner):
        grants = [grant for grant in kms._grants.values() if (grant["KeyId"], grant["GranteePrincipal"]) == (key["Arn"], role)]
    return any(set(grant["Operations"]) >= _LAUNCH for grant in grants)


def create_grant(params: Record) -> Any:
    """On the key of another account it is that one's, as at AWS; the grant is kept there."""
    asked = dict(emulator.request().input)
    parts = asked["KeyId"].split(":")
    owner = parts[4] if len(parts) > 4 else emulator.account()
    key = find(owner, asked["KeyId"])
    if owner != emulator.account() and key and not _lets(key, "CreateGrant", granteeprincipal=asked["GranteePrincipal"]):
        raise Refused("AccessDeniedException", f"{iam_evaluator.caller_arn()} is not authorized to perform: kms:CreateGrant on {key['Arn']}")
    with emulator.scope(owner):
        return kms._create_grant(asked)


def describe(params: Record) -> Any:
    """Customers' keys as the emulator knows them, and AWS's own for EBS."""
    asked = dict(emulator.request().input)
    if asked["KeyId"] != DEFAULT:
        return kms._describe_key(asked)
    arn = f"arn:aws:kms:{settings.REGION}:{emulator.account()}:key/aws-ebs"
    metadata = {"KeyId": "aws-ebs", "Arn": arn, "KeyManager": "AWS", "KeyState": "Enabled", "Enabled": True}
    return 200, {"Content-Type": "application/x-amz-json-1.1"}, json.dumps({"KeyMetadata": metadata}).encode()


def install() -> None:
    emulator.replace_action("kms", "CreateGrant", create_grant)
    emulator.replace_action("kms", "DescribeKey", describe)
