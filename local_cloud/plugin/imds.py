"""The instance metadata service (version 2 only), answering each instance about itself by its source address.

https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from ministack.services import ec2, iam, sts

from local_cloud.plugin import emulator, fabric, settings

CREDENTIAL_SECONDS = 6 * 3600
_tokens: dict[str, tuple[str, float]] = {}  # token → (instance, expiry)
_credentials: dict[str, dict[str, Any]] = {}  # instance → what was last given
_lock = threading.Lock()


class NotFound(Exception):
    """The path does not exist for this instance."""


def find(address: str) -> tuple[str, Mapping[str, Any]] | None:
    """The account and record of the instance that asks."""
    container = fabric.at(address)
    for (owner, _region, _id), record in list(ec2._instances.all_items()):
        if container == f"{settings.PREFIX}-{record['InstanceId']}":
            return owner, record
    return None


def role_of(owner: str, record: Mapping[str, Any]) -> Mapping[str, Any]:
    """The role in the instance's profile, if that role trusts EC2."""
    arn = (record.get("IamInstanceProfile") or {}).get("Arn")
    with emulator.scope(owner):
        profile = iam._lookup_instance_profile(arn=arn) if arn else None
        names = [role if isinstance(role, str) else role["RoleName"] for role in (profile or {}).get("Roles", [])]
        role = iam._roles.get(names[0]) if names else None
    if role is None:
        raise NotFound
    found: Mapping[str, Any] = role
    return found


def _trusts_ec2(role: Mapping[str, Any]) -> bool:
    document = role.get("AssumeRolePolicyDocument") or "{}"
    statements = (json.loads(document) if isinstance(document, str) else document).get("Statement", [])
    for statement in statements if isinstance(statements, list) else [statements]:
        principal = statement.get("Principal", {})
        services = principal.get("Service", []) if isinstance(principal, dict) else []
        if statement.get("Effect") == "Allow" and "ec2.amazonaws.com" in ([services] if isinstance(services, str) else services):
            return True
    return False


def credentials(owner: str, record: Mapping[str, Any], role: Mapping[str, Any]) -> dict[str, Any]:
    """Credentials of the role, valid at the emulator; renewed when less than an hour is left."""
    if not _trusts_ec2(role):
        return {
            "Code": "AssumeRoleUnauthorizedAccess",
            "Message": f"EC2 cannot assume the role {role['RoleName']}: its trust policy does not allow it.",
        }
    instance_id = record["InstanceId"]
    with _lock:
        known = _credentials.get(instance_id)
        if known and known["role"] == role["Arn"] and known["expires"] - time.time() > 3600:
            return dict(known["document"])
        expires = time.time() + CREDENTIAL_SECONDS
        key, secret, token = iam._gen_session_access_key(), iam._gen_secret(), iam._gen_session_token()
        session = {
            "Arn": f"arn:aws:sts::{owner}:assumed-role/{role['RoleName']}/{instance_id}",
            "UserId": f"{role['RoleId']}:{instance_id}",
            "SecretAccessKey": secret,
            "SessionToken": token,
            "Expiration": expires,
            "AccountId": owner,
            "PrincipalType": "AssumedRole",
        }
        sts.register_session(key, session)
        document = {
            "Code": "Success",
            "Type": "AWS-HMAC",
            "LastUpdated": _time(time.time()),
            "AccessKeyId": key,
            "SecretAccessKey": secret,
            "Token": token,
            "Expiration": _time(expires),
        }
        _credentials[instance_id] = {"role": role["Arn"], "expires": expires, "document": document}
        return dict(document)


def _time(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def tree(owner: str, record: Mapping[str, Any]) -> dict[str, Any]:
    """Everything below /latest, as nested folders; a callable is made only when it is asked for."""
    zone = record["Placement"]["AvailabilityZone"]
    folders: dict[str, Any] = {
        "meta-data": {
            "ami-id": record["ImageId"],
            "hostname": record["PrivateDnsName"],
            "instance-id": record["InstanceId"],
            "instance-type": record["InstanceType"],
            "local-hostname": record["PrivateDnsName"],
            "local-ipv4": record["PrivateIpAddress"],
            "placement": {"availability-zone": zone, "region": settings.REGION},
            "security-groups": "\n".join(group["GroupName"] for group in record["SecurityGroups"]),
        },
        "dynamic": {
            "instance-identity": {
                "document": json.dumps(
                    {
                        "accountId": owner,
                        "availabilityZone": zone,
                        "imageId": record["ImageId"],
                        "instanceId": record["InstanceId"],
                        "instanceType": record["InstanceType"],
                        "pendingTime": record["LaunchTime"],
                        "privateIp": record["PrivateIpAddress"],
                        "region": settings.REGION,
                    }
                )
            }
        },
    }
    meta = folders["meta-data"]
    if record.get("PublicIpAddress"):
        meta["public-ipv4"] = record["PublicIpAddress"]
    if record.get("_public_key"):
        meta["public-keys"] = {"0": {"openssh-key": record["_public_key"]}}
    if record.get("UserData"):
        folders["user-data"] = emulator.plain(record["UserData"])
    if (record.get("MetadataOptions") or {}).get("InstanceMetadataTags") == "enabled":
        with emulator.scope(owner):
            meta["tags"] = {"instance": {tag["Key"]: tag["Value"] for tag in ec2._tags.get(record["InstanceId"], [])}}
    try:
        role = role_of(owner, record)
    except NotFound:
        return folders
    info = {"Code": "Success", "LastUpdated": _time(time.time()), "InstanceProfileArn": record["IamInstanceProfile"]["Arn"]}
    meta["iam"] = {
        "info": json.dumps(info),
        "security-credentials": {role["RoleName"]: lambda: json.dumps(credentials(owner, record, role))},
    }
    return folders


def read(folders: Mapping[str, Any], path: str) -> str:
    """A leaf's text, or a folder's listing."""
    node: Any = folders
    for part in [part for part in path.split("/") if part]:
        if not isinstance(node, dict) or part not in node:
            raise NotFound
        node = node[part]
    if isinstance(node, dict):
        return "\n".join(f"{name}/" if isinstance(child, dict) else name for name, child in sorted(node.items()))
    return str(node() if callable(node) else node)


class Handler(BaseHTTPRequestHandler):
    """PUT /latest/api/token, then GET with the token."""

    server_version = "EC2ws"
    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        who = find(self.client_address[0])
        seconds = self.headers.get("X-aws-ec2-metadata-token-ttl-seconds", "")
        if self.path != "/latest/api/token" or who is None:
            return self._answer(404, "")
        if not seconds.isdigit() or not 1 <= int(seconds) <= 21600:
            return self._answer(400, "")
        token = secrets.token_urlsafe(40)
        with _lock:
            _tokens[token] = (who[1]["InstanceId"], time.time() + int(seconds))
        return self._answer(200, token, seconds)

    def do_GET(self) -> None:
        who = find(self.client_address[0])
        owner_of_token, expiry = _tokens.get(self.headers.get("X-aws-ec2-metadata-token", ""), ("", 0.0))
        if who is None:
            return self._answer(404, "")
        if owner_of_token != who[1]["InstanceId"] or expiry < time.time():
            return self._answer(401, "")
        version, _separator, rest = self.path.lstrip("/").partition("/")
        try:
            return self._answer(200, read(tree(*who), rest) if version == "latest" else "latest")
        except NotFound:
            return self._answer(404, "")

    def _answer(self, status: int, text: str, ttl: str = "") -> None:
        time.sleep(emulator.faults.slow.get("metadata", 0.0))
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        if ttl:
            self.send_header("X-aws-ec2-metadata-token-ttl-seconds", ttl)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet: every boot asks dozens of times."""


def serve() -> None:
    server = ThreadingHTTPServer((settings.LINK_LOCAL, 80), Handler)
    threading.Thread(target=server.serve_forever, name="imds", daemon=True).start()
