"""Copies of an image in another account: shared for as long as the copy takes, made under that account's own key, and found again.

https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/how-to-copy-ami-across-accounts.html
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from .errors import Failure, explain, sentence
from .images import described, snapshots_of, tags_of

COPIED_FROM = "twine:copied-from"
_ENDED = ("failed", "error", "invalid", "deregistered")


@dataclass(frozen=True)
class End:
    """One side of a copy: a client of EC2 in an account, and the account's name, number and region."""

    name: str
    account_id: str
    region: str
    ec2: Any


@dataclass(frozen=True)
class Wanted:
    """What is wanted of one role: a copy of ``image`` with these tags."""

    role: str
    image: str
    tags: Mapping[str, str]


def found(target: End, image: str) -> dict[str, Any] | None:
    """What the target has of ``image``: its very image, a copy that is there, one that is under way, or one that failed; in this order."""
    own = described(target.ec2, f"look for image {image} in account", target.name, owners=["self"], ids=[image])
    by_tag = {f"tag:{COPIED_FROM}": image}
    copies = described(target.ec2, f"look for copies of image {image} in account", target.name, owners=["self"], filters=by_tag)
    rows = [row for row in [*own, *copies] if row["OwnerId"] == target.account_id]
    order = {"available": 0, "pending": 1, "transient": 1}
    return min(rows, key=lambda row: (order.get(row["State"], 2), row["ImageId"] != image), default=None)


def start(source: End, target: End, wanted: Wanted, key: str, instead_of: str = "") -> str:
    """Begin a copy under the target's ``key`` (empty: its own default for EBS); its id. The source stays shared until it is there.

    :param instead_of: a copy that failed; asked with the words of then, EC2 would answer with that one again.

    :raises Failure: if the source has no such image, or one of the accounts refuses.
    """
    row = owned(source, "copy", wanted.role, wanted.image)
    tags = [{"Key": name, "Value": value} for name, value in wanted.tags.items()]
    asked: dict[str, Any] = {
        "Name": row["Name"],
        "SourceImageId": wanted.image,
        "SourceRegion": source.region,
        "Encrypted": True,
        "ClientToken": hashlib.sha256(f"{wanted.image} {target.account_id} {tags} {instead_of}".encode()).hexdigest(),
        # From its first moment on, or a run that ends here would not be found.
        "TagSpecifications": [{"ResourceType": kind, "Tags": tags} for kind in ("image", "snapshot")],
    }
    if key:
        asked["KmsKeyId"] = key
    try:
        return str(target.ec2.copy_image(**asked)["ImageId"])
    except Exception as error:
        raise explain(f"copy image {wanted.role} to account", f"{target.name} ({wanted.image})", error) from error


def owned(source: End, verb: str, role: str, image: str) -> dict[str, Any]:
    """An image that the source owns and that is available.

    :raises Failure: if there is none; its sentence begins "Failed to <verb> image".
    """
    rows = described(source.ec2, f"look for image {image} in account", source.name, owners=["self"], ids=[image])
    if not rows or rows[0]["State"] != "available" or rows[0]["OwnerId"] != source.account_id:
        why = f"account {source.name} owns none of that id that is available"
        raise Failure(sentence(f"{verb} image", f"{role} {image}", why, "Bake it there (playbooks/bake_image.yml -e kind=ami)"))
    return rows[0]


def kept(target: End) -> str:
    """The tag of an image that stays shared with the target, for machines there are launched from it."""
    return f"twine:shared-with:{target.account_id}"


@contextmanager
def shared(source: End, target: End, images: list[str]) -> Iterator[None]:
    """Let the target read ``images`` and their snapshots meanwhile; what it launches in place stays shared."""
    rows = described(source.ec2, "look for images in account", source.name, owners=["self"], ids=images) if images else []
    try:
        for row in rows:
            _share(source, target, row, "add")
        yield
    finally:
        for row in rows:
            if kept(target) not in tags_of(row):
                _share(source, target, row, "remove")


def _share(source: End, target: End, row: Mapping[str, Any], operation: str) -> None:
    who = [{"UserId": target.account_id}]
    try:
        source.ec2.modify_image_attribute(ImageId=row["ImageId"], LaunchPermission={operation.title(): who})
        for snapshot in snapshots_of(row):
            change = {operation.title(): who}
            source.ec2.modify_snapshot_attribute(SnapshotId=snapshot, Attribute="createVolumePermission", CreateVolumePermission=change)
    except Exception as error:
        raise explain(f"share image {row['ImageId']} of account {source.name} with account", target.name, error) from error


def await_all(target: End, images: Mapping[str, str], seconds: float, emit: Callable[[str], None], pause: float = 2.0) -> None:
    """Wait until every one of ``images`` (role → id) is available; says how far each is whenever that changes.

    :raises Failure: as soon as one failed, or when the time is over; then the copies go on, and the next run finds them.
    """
    deadline, told = time.monotonic() + seconds, dict.fromkeys(images, "")
    while images:
        rows = {
            row["ImageId"]: row for row in described(target.ec2, "follow copies in account", target.name, owners=["self"], ids=list(images.values()))
        }
        states = {role: rows.get(image, {}).get("State", "not there") for role, image in images.items()}
        for role, state in states.items():
            if state in _ENDED:
                why = rows[images[role]].get("StateReason", {}).get("Message") or f"it is {state}"
                raise Failure(sentence("copy image", f"{role} {images[role]} to account {target.name}", why, "Mend that, then run the same again"))
            far = f"{role} {images[role]}: {state}{_progress(target, rows.get(images[role], {}))}"
            if far != told[role]:
                told[role] = far
                emit(far)
        if all(state == "available" for state in states.values()):
            return
        if time.monotonic() >= deadline:
            late = ", ".join(role for role, state in states.items() if state != "available")
            remedy = "Run the same again: it finds them and waits on"
            raise Failure(sentence("copy images to account", f"{target.name}: {late}", f"not there after {seconds:g} s", remedy))
        time.sleep(pause)


def _progress(target: End, row: Mapping[str, Any]) -> str:
    snapshots = snapshots_of(row)
    if row.get("State") != "pending" or not snapshots:
        return ""
    try:
        parts = target.ec2.describe_snapshots(SnapshotIds=snapshots)["Snapshots"]
    except Exception:
        # An image names its snapshots a moment before they can be asked for.
        return ""
    return f" {', '.join(part.get('Progress') or '0%' for part in parts)}"


def mark(target: End, image: str, tags: Mapping[str, str], write: bool) -> bool:
    """Have these tags on an image of the target and on its snapshots; whether any was missing."""
    rows = described(target.ec2, f"look for image {image} in account", target.name, owners=["self"], ids=[image])
    missing = [row for row in rows if dict(tags).items() - tags_of(row).items()]
    try:
        for row in missing if write else []:
            words = [{"Key": name, "Value": value} for name, value in tags.items()]
            target.ec2.create_tags(Resources=[image, *snapshots_of(row)], Tags=words)
    except Exception as error:
        raise explain(f"tag image {image} in account", target.name, error) from error
    return bool(missing)


def drop(target: End, row: Mapping[str, Any]) -> None:
    """Take away an image of the target with its snapshots, which nobody can use then."""
    try:
        target.ec2.deregister_image(ImageId=row["ImageId"])
        for snapshot in snapshots_of(row):
            target.ec2.delete_snapshot(SnapshotId=snapshot)
    except Exception as error:
        raise explain(f"remove image {row['ImageId']} of account", target.name, error) from error
