"""Key pairs that open a machine: real ones, made by ssh-keygen, whose public half the metadata service and cloud-init give out.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateKeyPair.html
"""

from __future__ import annotations

import base64
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import yaml
from ministack.core.responses import new_uuid
from ministack.services import ec2

from local_cloud.plugin import emulator
from local_cloud.plugin.requests import Refused

Record = dict[str, Any]


def generate(kind: str = "ed25519", comment: str = "") -> tuple[str, str]:
    """A private and a public key."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "key"
        command = ["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", comment, "-f", str(path)]
        subprocess.run(command, check=True, capture_output=True, timeout=30)
        return path.read_text(), path.with_suffix(".pub").read_text()


def _enter(name: str, public: str, kind: str) -> Record:
    if name in ec2._key_pairs:
        raise Refused("InvalidKeyPair.Duplicate", f"The keypair already exists: {name}")
    done = subprocess.run(["ssh-keygen", "-l", "-f", "/dev/stdin"], input=public, capture_output=True, text=True, check=False, timeout=30)
    if done.returncode:
        raise Refused("InvalidKey.Format", "Key is not in valid OpenSSH public key format")
    record: Record = {
        "KeyName": name,
        "KeyFingerprint": done.stdout.split()[1].removeprefix("SHA256:"),
        "KeyPairId": f"key-{new_uuid().replace('-', '')[:17]}",
        "KeyType": kind,
        "PublicKeyMaterial": public,
        "CreateTime": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime()),
    }
    ec2._key_pairs[name] = record
    for specification in emulator.request().input.get("TagSpecifications", []):
        if specification.get("ResourceType") == "key-pair":
            ec2._tags[record["KeyPairId"]] = [{"Key": tag["Key"], "Value": tag.get("Value", "")} for tag in specification.get("Tags", [])]
    return record


def _xml(record: Record) -> str:
    return (
        f"<keyName>{escape(record['KeyName'])}</keyName><keyFingerprint>{record['KeyFingerprint']}</keyFingerprint>"
        f"<keyPairId>{record['KeyPairId']}</keyPairId>{ec2._tag_set_xml(record['KeyPairId'])}"
    )


def create(params: Record) -> Any:
    asked = emulator.request().input
    kind = asked.get("KeyType", "rsa")
    private, public = generate(kind, asked["KeyName"])
    record = _enter(asked["KeyName"], public, kind)
    return ec2._xml(200, "CreateKeyPairResponse", f"{_xml(record)}<keyMaterial>{private}</keyMaterial>")


def bring(params: Record) -> Any:
    asked = emulator.request().input
    public = asked["PublicKeyMaterial"].decode()
    text = public if public.startswith("ssh-") else base64.b64decode(public).decode(errors="replace")
    record = _enter(asked["KeyName"], text, "ed25519" if text.startswith("ssh-ed25519") else "rsa")
    return ec2._xml(200, "ImportKeyPairResponse", _xml(record))


def delete(params: Record) -> Any:
    """By name or by id; a missing one is fine."""
    asked = emulator.request().input
    for record in list(ec2._key_pairs.values()):
        if asked.get("KeyName") == record["KeyName"] or asked.get("KeyPairId") == record["KeyPairId"]:
            del ec2._key_pairs[record["KeyName"]]
            ec2._tags.pop(record["KeyPairId"], None)
    return ec2._xml(200, "DeleteKeyPairResponse", "<return>true</return>")


def describe(params: Record) -> Any:
    asked = emulator.request().input
    filters = {item["Name"]: item.get("Values", []) for item in asked.get("Filters", [])}
    if strange := [name for name in filters if name not in ("key-name", "tag-key") and not name.startswith("tag:")]:
        raise Refused("InvalidParameterValue", f"The filter '{strange[0]}' is invalid: the local cloud has key-name, tag-key and tag:<key>")
    for name in asked.get("KeyNames", []):
        if name not in ec2._key_pairs:
            raise Refused("InvalidKeyPair.NotFound", f"The key pair '{name}' does not exist")
    items = "".join(
        f"<item>{_xml(record)}<keyType>{record['KeyType']}</keyType><createTime>{record['CreateTime']}</createTime></item>"
        for record in ec2._key_pairs.values()
        if record["KeyName"] in asked.get("KeyNames", [record["KeyName"]])
        and any(ec2._glob_match(value, record["KeyName"]) for value in filters.get("key-name", ["*"]))
        and ec2._resource_matches_tag_filters(record["KeyPairId"], filters)
    )
    return ec2._xml(200, "DescribeKeyPairsResponse", f"<keySet>{items}</keySet>")


def let_in(public: str, user_data: str) -> str:
    """The key by which cloud-init lets in as root on a machine of Debian's image, empty if it does not.

    Of the user data it reads `disable_root: false` with `users: []`, and nothing else; the account `admin` is not made.
    https://cloudinit.readthedocs.io/en/22.4.2/topics/modules.html#ssh
    """
    config = yaml.safe_load(user_data) if user_data.startswith("#cloud-config") else {}
    return public if config.get("disable_root") is False and config.get("users") == [] else ""


def install() -> None:
    actions: dict[str, Callable[[Record], Any]] = {
        "CreateKeyPair": create,
        "DeleteKeyPair": delete,
        "DescribeKeyPairs": describe,
        "ImportKeyPair": bring,
    }
    for action, handler in actions.items():
        emulator.replace_action("ec2", action, handler, blocking=True)
