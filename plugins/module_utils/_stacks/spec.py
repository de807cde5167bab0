"""Stacks as data: what a person writes in the inventory, read into types, each mistake with file, key and remedy.

Shape of one stack::

    - name: application             # the only required key
      template: application.yml     # default: <name>.yml
      parameters:
        VpcId: {output: network.VpcId}            # of this account's stack "network"
        ZoneId: {output: dns/zone.ZoneId}         # of another account's
        SubnetIds: [{output: network.PrivateSubnetA}, {output: network.PrivateSubnetB}]
      capabilities: [CAPABILITY_NAMED_IAM]
      tags: {team: platform}
      protection: true              # termination protection, default true
      stateful: [SearchVolume]      # logical ids guarded besides the types that always are
      after: [bastion/peering]      # order without a value
      credentials: role             # or "account": the stack that makes the deployer role
      timeout: 60                   # minutes
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from .._aws.errors import Failure

_NAME = re.compile(r"^[a-zA-Z][a-zA-Z0-9-]*$")
_REFERENCE = re.compile(r"^(?:(?P<account>[A-Za-z0-9_-]+)/)?(?P<stack>[A-Za-z0-9_-]+)\.(?P<output>[A-Za-z0-9]+)$")
_CAPABILITIES = ("CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND")


@dataclass(frozen=True)
class Reference:
    """An output of a stack, of whatever account."""

    account: str
    stack: str
    output: str

    @property
    def key(self) -> str:
        """The stack's key in the graph."""
        return f"{self.account}/{self.stack}"

    def __str__(self) -> str:
        return f"{self.key}.{self.output}"


Scalar: TypeAlias = "str | Reference"
Value: TypeAlias = "Scalar | tuple[Scalar, ...]"


@dataclass(frozen=True)
class Stack:
    """One template in one account."""

    account: str
    name: str
    template: str
    where: str
    parameters: dict[str, Value] = field(default_factory=dict)
    capabilities: tuple[str, ...] = ()
    tags: dict[str, str] = field(default_factory=dict)
    protection: bool = True
    stateful: frozenset[str] = frozenset()
    after: tuple[str, ...] = ()
    credentials: Literal["role", "account"] = "role"
    timeout: int = 60

    @property
    def key(self) -> str:
        """``account/name``: how a stack is called everywhere."""
        return f"{self.account}/{self.name}"

    def references(self) -> Iterator[tuple[str, Reference]]:
        """Each reference with the parameter that holds it."""
        for name, value in self.parameters.items():
            for part in value if isinstance(value, tuple) else (value,):
                if isinstance(part, Reference):
                    yield name, part


class _Reader:
    """Reads one stack; collects every mistake instead of stopping at the first."""

    def __init__(self, account: str, where: str, problems: list[str]) -> None:
        self.account = account
        self.where = where
        self.problems = problems

    def wrong(self, why: str, remedy: str) -> None:
        self.problems.append(f"{self.where}: {why}. {remedy}.")

    def reference(self, raw: object, parameter: str) -> Reference | None:
        found = _REFERENCE.match(raw) if isinstance(raw, str) else None
        if found is None:
            self.wrong(
                f"parameter '{parameter}' refers to {raw!r}",
                "Write {output: stack.Output} or {output: account/stack.Output}",
            )
            return None
        return Reference(found["account"] or self.account, found["stack"], found["output"])

    def scalar(self, raw: object, parameter: str) -> Scalar | None:
        if isinstance(raw, Mapping):
            if set(raw) != {"output"}:
                self.wrong(
                    f"parameter '{parameter}' is a mapping with the keys {sorted(map(str, raw))}",
                    "A mapping may only be {output: [account/]stack.Output}",
                )
                return None
            return self.reference(raw["output"], parameter)
        if isinstance(raw, bool):
            return str(raw).lower()
        if isinstance(raw, (str, int, float)):
            return str(raw)
        self.wrong(
            f"parameter '{parameter}' is of type {type(raw).__name__}",
            "Give a text, number, boolean, a list of those, or {output: …}",
        )
        return None

    def parameters(self, raw: object) -> dict[str, Value]:
        if not isinstance(raw, Mapping):
            self.wrong(f"'parameters' is of type {type(raw).__name__}", "Write it as a mapping of name to value")
            return {}
        found: dict[str, Value] = {}
        for name, value in raw.items():
            if value is None:  # "use the template's default"
                continue
            if isinstance(value, (list, tuple)):
                parts = [self.scalar(part, str(name)) for part in value]
                found[str(name)] = tuple(part for part in parts if part is not None)
                continue
            one = self.scalar(value, str(name))
            if one is not None:
                found[str(name)] = one
        return found

    def texts(self, raw: object, key: str, allowed: tuple[str, ...] = ()) -> tuple[str, ...]:
        if not isinstance(raw, (list, tuple)) or not all(isinstance(item, str) for item in raw):
            self.wrong(f"'{key}' is not a list of texts", f"Write {key}: [one, two]")
            return ()
        for item in raw:
            if allowed and item not in allowed:
                self.wrong(f"'{key}' has {item!r}", f"Choose from {', '.join(allowed)}")
        return tuple(str(item) for item in raw)

    def mapping(self, raw: object, key: str) -> dict[str, str]:
        if not isinstance(raw, Mapping):
            self.wrong(f"'{key}' is of type {type(raw).__name__}", "Write it as a mapping of name to value")
            return {}
        return {str(name): str(value) for name, value in raw.items()}

    def boolean(self, raw: object, key: str) -> bool:
        if not isinstance(raw, bool):
            self.wrong(f"'{key}' is {raw!r}", "Write true or false")
        return bool(raw)

    def minutes(self, raw: object, key: str) -> int:
        if isinstance(raw, bool) or not isinstance(raw, int) or raw < 1:
            self.wrong(f"'{key}' is {raw!r}", "Write whole minutes, at least 1")
            return 1
        return raw


_KEYS = (
    "name",
    "template",
    "parameters",
    "capabilities",
    "tags",
    "protection",
    "stateful",
    "after",
    "credentials",
    "timeout",
)


def parse(raw: Mapping[str, object], origin: str = "stacks") -> dict[str, Stack]:
    """Read each account's list of stacks. Raises :class:`Failure` that names every mistake.

    :param raw: account → list of mappings, as in the module's documentation.
    :param origin: the variable that holds the lists, for messages.
    :returns: ``account/name`` → :class:`Stack`.
    """
    problems: list[str] = []
    stacks: dict[str, Stack] = {}
    for account, items in raw.items():
        if not isinstance(items, (list, tuple)):
            problems.append(f"{origin} of account {account}: it is of type {type(items).__name__}. Write a list.")
            continue
        for position, item in enumerate(items, start=1):
            stack = _parse_one(account, item, f"{origin} of account {account}, entry {position}", problems)
            if stack is None:
                continue
            if stack.key in stacks:
                problems.append(f"{stack.where}: the account has two stacks of this name. Rename one.")
            stacks[stack.key] = stack
    if problems:
        raise Failure("\n".join(["Failed to read the stacks:", *problems]))
    return stacks


def _parse_one(account: str, item: object, where: str, problems: list[str]) -> Stack | None:
    reader = _Reader(account, where, problems)
    if not isinstance(item, Mapping):
        reader.wrong(f"it is of type {type(item).__name__}", "Write a mapping with the key 'name'")
        return None
    name = item.get("name")
    if not isinstance(name, str) or not _NAME.match(name):
        reader.wrong(f"'name' is {name!r}", "Give letters, digits and -, beginning with a letter")
        return None
    reader.where = f"{where} ({name})"
    for key in item:
        if key not in _KEYS:
            reader.wrong(f"the key '{key}' is not known", f"Known are {', '.join(_KEYS)}")
    credentials = item.get("credentials", "role")
    if credentials not in ("role", "account"):
        reader.wrong(f"'credentials' is {credentials!r}", "Write role or account")
    template = item.get("template", f"{name}.yml")
    if not isinstance(template, str) or not template:
        reader.wrong(f"'template' is {template!r}", "Write a file name")
        template = ""
    return Stack(
        account=account,
        name=name,
        template=template,
        where=reader.where,
        parameters=reader.parameters(item.get("parameters", {})),
        capabilities=reader.texts(item.get("capabilities", []), "capabilities", _CAPABILITIES),
        tags=reader.mapping(item.get("tags", {}), "tags"),
        protection=reader.boolean(item.get("protection", True), "protection"),
        stateful=frozenset(reader.texts(item.get("stateful", []), "stateful")),
        after=tuple(after if "/" in after else f"{account}/{after}" for after in reader.texts(item.get("after", []), "after")),
        credentials="account" if credentials == "account" else "role",
        timeout=reader.minutes(item.get("timeout", 60), "timeout"),
    )


def text_of(value: Value, known: Mapping[str, Mapping[str, str]]) -> str | None:
    """A parameter's text once the outputs it needs are known (``account/stack`` → outputs); else ``None``."""
    parts: list[str] = []
    for part in value if isinstance(value, tuple) else (value,):
        if isinstance(part, Reference):
            found: Any = known.get(part.key, {}).get(part.output)
            if found is None:
                return None
            parts.append(str(found))
        else:
            parts.append(part)
    return ",".join(parts)
