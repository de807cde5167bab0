"""A request as its API's model reads it: parsed, and refused when the model does not know it.

botocore holds the models that AWS's own clients are built from. A parameter the model does not name, a required one that
is missing, a value outside an enumeration or of the wrong type is an error here as it is at AWS, whoever sent it.
"""

from __future__ import annotations

import base64
import functools
import json
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import botocore.loaders
import botocore.model
import botocore.validate

# Emulator's name of a service → its model's. What is not here is refused: the product does not use it.
MODELS = {
    "autoscaling": "autoscaling",
    "cloudformation": "cloudformation",
    "ec2": "ec2",
    "elasticache": "elasticache",
    "elasticloadbalancing": "elbv2",
    "iam": "iam",
    "kms": "kms",
    "logs": "logs",
    "monitoring": "cloudwatch",
    "rds": "rds",
    "route53": "route53",
    "s3": "s3",
    "secretsmanager": "secretsmanager",
    "sns": "sns",
    "ssm": "ssm",
    "sts": "sts",
    "tagging": "resourcegroupstaggingapi",
}


class Refused(Exception):
    """A request or a property the local cloud turns down, in the words of the API that was asked."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, status


@dataclass(frozen=True)
class Request:
    """What was asked: the service as the emulator names it, the action, and its input as the model types it."""

    service: str
    action: str
    input: Mapping[str, Any]


@functools.cache
def model(service: str) -> botocore.model.ServiceModel:
    name = MODELS[service]
    return botocore.model.ServiceModel(botocore.loaders.Loader().load_service_model(name, "service-2"), name)


def read(service: str, method: str, path: str, headers: Mapping[str, str], body: bytes, query: Mapping[str, Any]) -> Request:
    """The request's action and input, or Refused."""
    if service not in MODELS:
        raise Refused("UnsupportedOperation", f"The local cloud has no service {service}. Services: {', '.join(sorted(MODELS))}.", 501)
    protocol = model(service).protocol
    target = headers.get("x-amz-target", "")
    if target or "json" in headers.get("content-type", ""):
        action = target.rpartition(".")[2]
        return _checked(service, action, lambda shape: _from_json(shape, json.loads(body or b"{}")))
    if protocol in ("query", "ec2"):
        flat = {key: values[0] if isinstance(values, list) else values for key, values in query.items()}
        flat |= dict(urllib.parse.parse_qsl(body.decode(), keep_blank_values=True))
        action = str(flat.pop("Action", ""))
        flat.pop("Version", None)
        values = {key: value for key, value in flat.items() if not key.startswith("X-Amz-")}
        return _checked(service, action, lambda shape: _from_query(shape, values, protocol == "ec2"))
    return Request(service, f"{method} {path}", {})  # REST: the path is the action, and the emulator's own router knows it


def _checked(service: str, action: str, reader: Callable[[Any], Any]) -> Request:
    names = model(service).operation_names
    if action not in names:
        raise Refused("InvalidAction", f"The action {action or '(none)'} is not one of {service}.")
    shape = model(service).operation_model(action).input_shape
    if shape is None:
        return Request(service, action, {})
    value = reader(shape)
    report = botocore.validate.ParamValidator().validate(value, shape)
    problems = report.generate_report() if report.has_errors() else _enumerations(shape, value, "")
    if problems:
        raise Refused("ValidationError", f"{action}: {problems}")
    return Request(service, action, value)


def _enumerations(shape: Any, value: Any, path: str) -> str:
    """The first value outside its enumeration, in AWS's words, or nothing."""
    if shape.type_name == "structure":
        found = (_enumerations(shape.members[k], v, f"{path}.{k}") for k, v in value.items() if k in shape.members)
    elif shape.type_name == "list":
        found = (_enumerations(shape.member, v, path) for v in value)
    elif shape.type_name == "string" and shape.enum and value not in shape.enum:
        return f"Value '{value}' at '{path.lstrip('.')}' failed to satisfy constraint: Member must satisfy enum value set"
    else:
        return ""
    return next((problem for problem in found if problem), "")


# --- JSON ---------------------------------------------------------------------------------------------------------


def _from_json(shape: Any, value: Any) -> Any:
    if shape.type_name == "structure" and isinstance(value, dict):
        return {k: _from_json(shape.members[k], v) if k in shape.members else v for k, v in value.items() if v is not None}
    if shape.type_name == "list" and isinstance(value, list):
        return [_from_json(shape.member, item) for item in value]
    if shape.type_name == "blob" and isinstance(value, str):
        return base64.b64decode(value)
    return value


# --- query and EC2 query: `Filter.1.Value.2=x` -------------------------------------------------------------------


def _from_query(shape: Any, flat: dict[str, str], ec2: bool) -> Any:
    used: set[str] = set()
    value = _QueryReader(flat, used, ec2).structure(shape, "")
    unknown = sorted(key for key, text in flat.items() if key not in used and text)
    if unknown:
        raise Refused("UnknownParameter" if ec2 else "ValidationError", f"The parameter {unknown[0]} is not recognized")
    return value


class _QueryReader:
    """The inverse of botocore's query serializers; remembers the keys it has used."""

    def __init__(self, flat: dict[str, str], used: set[str], ec2: bool) -> None:
        self.flat, self.used, self.ec2 = flat, used, ec2
        self.prefixes = {".".join(parts[:n]) for key in flat for parts in [key.split(".")] for n in range(1, len(parts) + 1)}

    def structure(self, shape: Any, prefix: str) -> dict[str, Any]:
        value = {}
        for name, member in shape.members.items():
            key = f"{prefix}.{self._wire(name, member)}".lstrip(".")
            found = self.value(member, key)
            if found is not None:
                value[name] = found
        return value

    def _wire(self, name: str, member: Any) -> str:
        written = member.serialization
        if not self.ec2:
            return str(written.get("name", name))
        located = str(written.get("name", name))
        return str(written.get("queryName") or located[0].upper() + located[1:])

    def value(self, shape: Any, key: str) -> Any:
        if shape.type_name == "list":
            return self._list(shape, key)
        if shape.type_name == "map":
            return self._map(shape, key)
        if key not in self.prefixes:
            return None
        if shape.type_name == "structure":
            return self.structure(shape, key)
        if key not in self.flat:
            return None
        self.used.add(key)
        return self._scalar(shape, key, self.flat[key])

    def _list(self, shape: Any, key: str) -> list[Any] | None:
        name = shape.member.serialization.get("name")
        if self.ec2:
            prefix = key
        elif shape.serialization.get("flattened"):
            prefix = ".".join([*key.split(".")[:-1], name]) if name else key
        else:
            prefix = f"{key}.{name or 'member'}"
        if self.flat.get(key) == "":
            self.used.add(key)
            return []
        numbers = sorted(int(rest) for p in self.prefixes if p.startswith(prefix + ".") and (rest := p[len(prefix) + 1 :]).isdigit())
        return [self.value(shape.member, f"{prefix}.{number}") for number in numbers] if numbers else None

    def _map(self, shape: Any, key: str) -> dict[str, Any] | None:
        prefix = key if shape.serialization.get("flattened") else f"{key}.entry"
        value = {}
        number = 1
        while f"{prefix}.{number}" in self.prefixes:
            name = self.value(shape.key, f"{prefix}.{number}.{shape.key.serialization.get('name', 'key')}")
            value[name] = self.value(shape.value, f"{prefix}.{number}.{shape.value.serialization.get('name', 'value')}")
            number += 1
        return value or None

    def _scalar(self, shape: Any, key: str, text: str) -> Any:
        try:
            match shape.type_name:
                case "integer" | "long":
                    return int(text)
                case "float" | "double":
                    return float(text)
                case "boolean":
                    return {"true": True, "false": False}[text.lower()]
                case "blob":
                    return base64.b64decode(text)
        except (ValueError, KeyError):
            raise Refused("ValidationError", f"Value '{text}' at '{key}' is not a valid {shape.type_name}") from None
        return text
