"""Images that another account launches in place: permissions on image and snapshots, their key's policy, and a grant for its groups.

https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/sharingamis-explicit.html
https://docs.aws.amazon.com/autoscaling/ec2/userguide/key-policy-requirements-EBS-encryption.html
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from .errors import Failure, code_of, explain, sentence
from .image_copies import End, kept, owned
from .images import described, snapshots_of, tags_of

# What AWS's page has the grant allow, and the policy. A grant is made by a person here, for whom GrantIsForAWSResource does not hold.
GRANTED = ["Encrypt", "Decrypt", "ReEncryptFrom", "ReEncryptTo", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "DescribeKey", "CreateGrant"]
_USE = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"]
_GRANT = "twine-auto-scaling"


@dataclass(frozen=True)
class Step:
    """Something that is missing: in words, and how it is written; for a policy its text before and after."""

    what: str
    write: Callable[[], object]
    before: str = ""
    after: str = ""


def missing(source: End, target: End, images: Mapping[str, str], keys: Callable[[End], Any]) -> list[Step]:
    """What the target lacks to launch ``images`` (role → id) in place, in the order in which it is written. Nothing is written here.

    :param keys: side → its client of KMS.
    :raises Failure: if the source has no such image, or a snapshot of it is encrypted with a key that can't be shared.
    """
    own = described(target.ec2, "look for images in account", target.name, owners=["self"], ids=list(images.values())) if images else []
    foreign = {role: image for role, image in images.items() if image not in {row["ImageId"] for row in own}}
    rows = [owned(source, "share", role, image) for role, image in foreign.items()]
    try:
        steps = [step for row in rows for step in _permissions(source, target, row)]
        snapshots = [snapshot for row in rows for snapshot in snapshots_of(row)]
        disks = source.ec2.describe_snapshots(SnapshotIds=snapshots)["Snapshots"] if snapshots else []
    except Exception as error:
        raise explain(f"see with whom images are shared of account {source.name}, and their disks, for account", target.name, error) from error
    first = {disk["KmsKeyId"]: disk["SnapshotId"] for disk in reversed(disks) if disk.get("Encrypted")}
    return [*(step for key, disk in first.items() for step in _key(source, target, key, disk, keys)), *steps]


def write(source: End, target: End, steps: list[Step]) -> None:
    """Write what is missing.

    :raises Failure: at the first step that an account refuses; what was written before stays, and the next run finds it.
    """
    for step in steps:
        try:
            step.write()
        except Failure:
            raise
        except Exception as error:
            raise explain(f"share images of account {source.name} with account {target.name} by", step.what, error) from error


def _permissions(source: End, target: End, row: Mapping[str, Any]) -> list[Step]:
    who, image, tag = {"UserId": target.account_id}, row["ImageId"], kept(target)
    steps = []
    if tag not in tags_of(row):
        # Before the permission: a copy for another release must not take that away again.
        words = [{"Key": tag, "Value": target.name}]
        steps.append(Step(f"tag {tag} of image {image}", partial(source.ec2.create_tags, Resources=[image], Tags=words)))
    if who not in source.ec2.describe_image_attribute(ImageId=image, Attribute="launchPermission").get("LaunchPermissions", []):
        write = partial(source.ec2.modify_image_attribute, ImageId=image, LaunchPermission={"Add": [who]})
        steps.append(Step(f"launch permission of image {image}", write))
    for disk in snapshots_of(row):
        found = source.ec2.describe_snapshot_attribute(SnapshotId=disk, Attribute="createVolumePermission")
        if who not in found.get("CreateVolumePermissions", []):
            asked = {"SnapshotId": disk, "Attribute": "createVolumePermission", "CreateVolumePermission": {"Add": [who]}}
            steps.append(Step(f"volume permission of snapshot {disk}", partial(source.ec2.modify_snapshot_attribute, **asked)))
    return steps


def _key(source: End, target: End, key: str, disk: str, keys: Callable[[End], Any]) -> list[Step]:
    """The steps for one key, of the first disk that it encrypts."""
    kms = keys(source)
    try:
        about = kms.describe_key(KeyId=key)["KeyMetadata"]
        arn, ours = str(about["Arn"]), about["KeyManager"] == "CUSTOMER"
        before = json.loads(kms.get_key_policy(KeyId=arn, PolicyName="default")["Policy"]) if ours else {}
        grantee = _role(arn, target)
        pages = kms.get_paginator("list_grants").paginate(KeyId=arn, GranteePrincipal=grantee) if ours else ()
        grants = [grant for page in pages for grant in page["Grants"]]
    except Exception as error:
        raise explain(f"look at key {key} of account", source.name, error) from error
    if not ours:
        why = f"AWS's own key of account {source.name} encrypts it, and nobody can share that key"
        raise Failure(sentence("share snapshot", disk, why, "Bake the image under a key of your own (bake_kms_key_id), and make a release of it"))
    after = with_statements(before, _statements(target, arn))
    steps = []
    if after != before:
        write = partial(kms.put_key_policy, KeyId=arn, PolicyName="default", Policy=json.dumps(after))
        steps.append(Step(f"the policy of key {arn}", write, *(json.dumps(policy, indent=2) + "\n" for policy in (before, after))))
    if not any(set(GRANTED) <= set(grant["Operations"]) and not grant.get("Constraints") for grant in grants):
        # A policy counts everywhere after some seconds.
        patience = 60.0 if steps else 0.0
        steps.append(Step(f"a grant on key {arn}", partial(_make_grant, target, keys(target), arn, grantee, patience)))
    return steps


def _role(arn: str, target: End) -> str:
    """Auto scaling's own role in the target: it starts the machines of groups."""
    partition = arn.split(":")[1]
    return f"arn:{partition}:iam::{target.account_id}:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"


def _statements(target: End, arn: str) -> list[dict[str, Any]]:
    """What a key's policy must say: use, grants that AWS's services make, and the one that is made here for groups."""
    who = {"AWS": f"arn:{arn.split(':')[1]}:iam::{target.account_id}:root"}
    said: dict[str, dict[str, Any]] = {
        "Use": {"Action": _USE},
        "Disks": {"Action": "kms:CreateGrant", "Condition": {"Bool": {"kms:GrantIsForAWSResource": "true"}}},
        "Groups": {"Action": "kms:CreateGrant", "Condition": {"StringEquals": {"kms:GranteePrincipal": _role(arn, target)}}},
    }
    name = f"TwineShared{target.account_id}"
    return [{"Sid": f"{name}{what}", "Effect": "Allow", "Principal": who, "Resource": "*", **more} for what, more in said.items()]


def with_statements(policy: Mapping[str, Any], wanted: list[dict[str, Any]]) -> dict[str, Any]:
    """A policy with these statements in place of those of their names; all others stay as they are."""
    known = policy.get("Statement", [])
    known = known if isinstance(known, list) else [known]
    if all(statement in known for statement in wanted):
        return dict(policy)
    names = {statement["Sid"] for statement in wanted}
    return {**policy, "Statement": [*(statement for statement in known if statement.get("Sid") not in names), *wanted]}


def _make_grant(target: End, kms: Any, arn: str, grantee: str, patience: float, pause: float = 2.0) -> None:
    deadline = time.monotonic() + patience
    while True:
        try:
            kms.create_grant(KeyId=arn, GranteePrincipal=grantee, Operations=GRANTED, Name=_GRANT)
            return
        except Exception as error:
            if code_of(error) == "InvalidArnException":
                why = "the account has no AWSServiceRoleForAutoScaling yet"
                remedy = "Make it (aws iam create-service-linked-role --aws-service-name autoscaling.amazonaws.com), then run the same again"
                raise Failure(sentence("grant the use of a key to account", target.name, why, remedy)) from error
            if code_of(error) != "AccessDeniedException" or time.monotonic() >= deadline:
                raise
        time.sleep(pause)
