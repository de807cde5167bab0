"""A CloudFormation template as data: what it declares, its digest, and its body with the digest stamped into it.

The digest travels as an *output* of the stack. One DescribeStacks call for an account then answers for all its stacks whether
anything changed. A stack tag would do so too, but CloudFormation hands stack tags on to every resource, so that a change of one
resource would show, and touch, all of them:
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cfn-console-add-tags.html
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any

from .._aws.errors import Failure, sentence

MAX_BODY = 51_200  # bytes, https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
DIGEST_OUTPUT = "TwineDigest"
_STAMP_ROOM = 160  # bytes that the stamp needs at most


@dataclass(frozen=True)
class Parameter:
    """A declared parameter."""

    name: str
    type: str
    required: bool
    secret: bool
    allowed: tuple[str, ...] = ()
    pattern: str = ""
    default: str = ""


@dataclass(frozen=True)
class Template:
    """A parsed template."""

    path: Path
    body: str
    digest: str
    parameters: dict[str, Parameter]
    outputs: dict[str, Any]
    resources: dict[str, dict[str, Any]] = field(repr=False)

    def stamped(self, digest: str) -> str:
        """The body to send: this template with one more output, which holds ``digest``."""
        body = _stamp(self.body, digest)
        document = _parse(body, self.path)
        stamp = document["Outputs"].pop(DIGEST_OUTPUT, None)
        if not isinstance(stamp, dict) or _digest(_without_empty_outputs(document)) != self.digest:
            raise Failure(
                sentence(
                    "stamp template",
                    str(self.path),
                    "its section Outputs is not written as a block of lines",
                    "Write 'Outputs:' on a line of its own with its entries indented below",
                )
            )
        return body


@lru_cache(maxsize=256)
def load(path: Path) -> Template:
    """Read and parse a template; raises :class:`Failure` with file and remedy when it can't be used."""
    try:
        body = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(sentence("read template", str(path), str(error), "Correct the stack's 'template'")) from error
    size = len(body.encode())
    if size + _STAMP_ROOM > MAX_BODY:
        raise Failure(
            sentence(
                "use template",
                str(path),
                f"it has {size} bytes, and CloudFormation takes {MAX_BODY} with {_STAMP_ROOM} for our stamp",
                "Split it into two layers",
            )
        )
    document = _parse(body, path)
    return Template(
        path=path,
        body=body,
        digest=_digest(_without_empty_outputs(document)),
        parameters={name: _parameter(name, raw) for name, raw in _section(document, "Parameters", path).items()},
        outputs=_section(document, "Outputs", path),
        resources=_section(document, "Resources", path),
    )


def digest_of(template: Template, parameters: dict[str, str], capabilities: tuple[str, ...], tags: dict[str, str]) -> str:
    """What a stack should be, in 32 hex digits: equal digests, nothing to do."""
    wanted = [template.digest, parameters, sorted(capabilities), tags]
    return hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest()[:32]


def _digest(document: dict[str, Any]) -> str:
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), default=_plain)
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: object) -> str:
    # YAML reads an unquoted 2010-09-09 as a date.
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(type(value).__name__)


def _without_empty_outputs(document: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key != "Outputs" or value}


def _section(document: dict[str, Any], name: str, path: Path) -> dict[str, Any]:
    section = document.get(name) or {}
    if not isinstance(section, dict) or not all(isinstance(value, dict) for value in section.values()):
        raise Failure(sentence("use template", str(path), f"'{name}' is not a mapping of mappings", "Correct it"))
    return section


def _parameter(name: str, raw: dict[str, Any]) -> Parameter:
    return Parameter(
        name=name,
        type=str(raw.get("Type", "String")),
        required="Default" not in raw,
        secret=str(raw.get("NoEcho", "false")).lower() == "true",
        allowed=tuple(str(value) for value in raw.get("AllowedValues", [])),
        pattern=str(raw.get("AllowedPattern", "")),
        default=str(raw.get("Default", "")),
    )


def _parse(body: str, path: Path) -> dict[str, Any]:
    import yaml

    try:
        # The loader is a SafeLoader that knows CloudFormation's short tags and nothing else.
        document = yaml.load(body, Loader=_loader())
    except yaml.YAMLError as error:
        why = " ".join(str(error).split())
        raise Failure(sentence("parse template", str(path), why, "Run cfn-lint on it")) from error
    if not isinstance(document, dict) or not document.get("Resources"):
        raise Failure(sentence("use template", str(path), "it has no Resources", "Name at least one"))
    return document


@lru_cache(maxsize=1)
def _loader() -> Any:
    import yaml

    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    loader: Any = type("TemplateLoader", (base,), {})
    loader.add_multi_constructor("!", _construct)
    return loader


def _construct(loader: Any, suffix: str, node: Any) -> dict[str, Any]:
    import yaml

    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


def _stamp(body: str, digest: str) -> str:
    if body.lstrip().startswith("{"):
        document = json.loads(body)
        document.setdefault("Outputs", {})[DIGEST_OUTPUT] = {"Value": digest}
        return json.dumps(document, indent=1)
    found = re.search(r"^Outputs:[ \t]*(#.*)?\n(?:[ \t]*(?:#.*)?\n)*([ ]+)?", body, re.MULTILINE)
    indent = (found and found.group(2)) or "  "
    entry = f'{indent}{DIGEST_OUTPUT}:\n{indent}  Description: What this stack was made from\n{indent}  Value: "{digest}"\n'
    if found is None:
        has_section = re.search(r"^Outputs\s*:", body, re.MULTILINE)
        return body if has_section else f"{body.rstrip()}\n\nOutputs:\n{entry}"
    line_end = body.index("\n", found.start()) + 1
    return body[:line_end] + entry + body[line_end:]


def unstamped(body: str) -> str:
    """A stamped YAML body as it was written, for comparing."""
    return re.sub(rf'^ +{DIGEST_OUTPUT}:\n +Description: .*\n +Value: "[0-9a-f]+"\n', "", body, flags=re.MULTILINE)
