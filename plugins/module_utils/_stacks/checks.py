"""What can be known to be wrong before the first call: references, parameters and addresses, from specs and templates alone."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from .._aws.errors import Failure
from .spec import Reference, Stack
from .template import Template, load

_IAM = "AWS::IAM::"
_NAMED = {"AWS::IAM::Role": "RoleName", "AWS::IAM::User": "UserName", "AWS::IAM::Group": "GroupName"}
_NAMED |= {"AWS::IAM::ManagedPolicy": "ManagedPolicyName", "AWS::IAM::InstanceProfile": "InstanceProfileName"}
_PEERING = "AWS::EC2::VPCPeeringConnection"
Network = ipaddress.IPv4Network


def templates_of(stacks: Mapping[str, Stack], folders: list[Path]) -> dict[str, Template]:
    """Load each stack's template from the first folder that has it. Raises :class:`Failure` naming every mistake."""
    problems: list[str] = []
    templates: dict[str, Template] = {}
    for key, stack in stacks.items():
        candidates = [folder / stack.template for folder in folders]
        path = next((candidate for candidate in candidates if candidate.is_file()), None)
        if path is None:
            looked = ", ".join(str(folder) for folder in folders)
            problems.append(f"{stack.where}: 'template' names {stack.template}, which is not in {looked}. Correct the name.")
            continue
        try:
            templates[key] = load(path)
        except Failure as failure:
            problems.append(f"{stack.where}: {failure}")
    if problems:
        raise Failure("\n".join(["Failed to read the templates:", *problems]))
    return templates


def check(stacks: Mapping[str, Stack], templates: Mapping[str, Template]) -> None:
    """Refuse what can't work. Raises :class:`Failure` with one line a mistake."""
    problems: list[str] = []
    for key, stack in stacks.items():
        problems.extend(_parameters(stack, templates[key]))
        problems.extend(_references(stack, stacks, templates))
        problems.extend(_capabilities(stack, templates[key]))
    problems.extend(_addresses(stacks, templates))
    if problems:
        raise Failure("\n".join(["Failed to check the stacks:", *problems]))


def _parameters(stack: Stack, template: Template) -> Iterator[str]:
    for name, value in stack.parameters.items():
        declared = template.parameters.get(name)
        if declared is None:
            yield (f"{stack.where}: parameter '{name}' is not declared in {template.path}. Declared are {', '.join(template.parameters) or 'none'}.")
        elif isinstance(value, str):
            yield from _value(stack, name, value, template)
    for name, declared in template.parameters.items():
        if declared.required and name not in stack.parameters:
            yield f"{stack.where}: parameter '{name}' of {template.path} has no default. Give it a value."


def _value(stack: Stack, name: str, value: str, template: Template) -> Iterator[str]:
    declared = template.parameters[name]
    shown = "(secret)" if declared.secret else repr(value)
    if declared.allowed and value not in declared.allowed:
        yield f"{stack.where}: parameter '{name}' is {shown}. {template.path} allows {', '.join(declared.allowed)}."
    if declared.pattern and not re.fullmatch(declared.pattern, value):
        yield f"{stack.where}: parameter '{name}' is {shown}. {template.path} wants the pattern {declared.pattern}."
    if declared.type == "Number" and not re.fullmatch(r"-?\d+(\.\d+)?", value):
        yield f"{stack.where}: parameter '{name}' is {shown}. {template.path} wants a number."


def _references(stack: Stack, stacks: Mapping[str, Stack], templates: Mapping[str, Template]) -> Iterator[str]:
    for name, reference in stack.references():
        parent = templates.get(reference.key)
        if parent is None or reference.output in parent.outputs:
            continue
        yield (
            f"{stack.where}: parameter '{name}' wants the output '{reference.output}' of {reference.key}, "
            f"which {parent.path} does not declare. Declared are {', '.join(parent.outputs) or 'none'}."
        )


def _capabilities(stack: Stack, template: Template) -> Iterator[str]:
    needed = ""
    for resource in template.resources.values():
        kind = str(resource.get("Type", ""))
        if kind.startswith(_IAM):
            named = _NAMED.get(kind) in (resource.get("Properties") or {})
            needed = "CAPABILITY_NAMED_IAM" if named or needed == "CAPABILITY_NAMED_IAM" else "CAPABILITY_IAM"
    enough = {"CAPABILITY_NAMED_IAM", needed}
    if needed and not enough & set(stack.capabilities):
        yield f"{stack.where}: {template.path} makes IAM resources. Add {needed} to 'capabilities'."


@dataclass(frozen=True)
class _Value:
    """A value inside a template, together with the stack that gives it its meaning."""

    stack: str
    value: object


class _Estate:
    """Follows values through Ref, parameters and outputs, over all stacks, as far as they are known beforehand."""

    def __init__(self, stacks: Mapping[str, Stack], templates: Mapping[str, Template]) -> None:
        self.stacks = stacks
        self.templates = templates

    def follow(self, start: _Value) -> _Value:
        """The end of the chain: a literal, or a Ref to a resource."""
        here = start
        for _step in range(100):  # longer than any chain without a circle; the graph has none
            step = self._step(here)
            if step is None:
                return here
            here = step
        return here

    def _step(self, here: _Value) -> _Value | None:
        value = here.value
        if isinstance(value, Reference):
            parent = self.templates.get(value.key)
            output = parent.outputs.get(value.output) if parent else None
            return _Value(value.key, output.get("Value")) if isinstance(output, dict) else None
        name = value.get("Ref") if isinstance(value, dict) else None
        if isinstance(name, str) and name in self.templates[here.stack].parameters:
            default = self.templates[here.stack].parameters[name].default
            return _Value(here.stack, self.stacks[here.stack].parameters.get(name, default))
        return None

    def resource(self, here: _Value) -> tuple[str, str] | None:
        """Stack and logical id, if the value is a Ref to a resource."""
        name = here.value.get("Ref") if isinstance(here.value, dict) else None
        if isinstance(name, str) and name in self.templates[here.stack].resources:
            return here.stack, name
        return None

    def cidr(self, vpc: tuple[str, str]) -> Network | None:
        """A VPC's addresses, if they are known beforehand."""
        properties = self.templates[vpc[0]].resources[vpc[1]].get("Properties") or {}
        text = self.follow(_Value(vpc[0], properties.get("CidrBlock"))).value
        try:
            return Network(text) if isinstance(text, str) else None
        except ValueError:
            return None


def _addresses(stacks: Mapping[str, Stack], templates: Mapping[str, Template]) -> Iterator[str]:
    """Networks that are peered with each other, or with the same third one, may not overlap: routes could not tell them apart."""
    estate = _Estate(stacks, templates)
    neighbours: dict[tuple[str, str], set[tuple[str, str]]] = {}
    for key, template in templates.items():
        for resource in template.resources.values():
            if resource.get("Type") != _PEERING:
                continue
            properties = resource.get("Properties") or {}
            ends = [estate.resource(estate.follow(_Value(key, properties.get(end)))) for end in ("VpcId", "PeerVpcId")]
            here, there = ends
            if here and there:
                neighbours.setdefault(here, {here}).add(there)
                neighbours.setdefault(there, {there}).add(here)
    told: set[frozenset[tuple[str, str]]] = set()
    for group in neighbours.values():
        for one, other in combinations(sorted(group), 2):
            first, second = estate.cidr(one), estate.cidr(other)
            pair = frozenset((one, other))
            if first and second and first.overlaps(second) and pair not in told:
                told.add(pair)
                yield (
                    f"{stacks[one[0]].where} and {stacks[other[0]].where}: their networks {first} and {second} overlap, "
                    "and both are reached over peering. Give one another 'account_cidr'."
                )
