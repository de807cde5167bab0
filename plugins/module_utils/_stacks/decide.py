"""What is to be done with each stack, from what is wanted and what DescribeStacks shows. Pure: no call is made here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from .cloudformation import READY, Observed
from .graph import Graph
from .spec import Stack, text_of
from .template import Template, digest_of

Verdict = Literal["unchanged", "create", "recreate", "update", "protect", "busy", "blocked", "unknown"]
# After these, the stack's outputs may be other than now.
MOVING = ("create", "recreate", "update", "busy", "unknown")


@dataclass(frozen=True)
class Wanted:
    """A stack as it should be, all values known."""

    parameters: dict[str, str]
    capabilities: tuple[str, ...]
    tags: dict[str, str]
    digest: str
    protection: bool


@dataclass(frozen=True)
class Decision:
    """The verdict on one stack, with its reasons."""

    key: str
    verdict: Verdict
    why: str = ""
    wanted: Wanted | None = None
    observed: Observed | None = None
    waits_for: tuple[str, ...] = ()  # parents whose outputs are not final yet
    unknown: tuple[str, ...] = field(default=())  # parameters that can't be known yet


def wanted(stack: Stack, template: Template, outputs: Mapping[str, Mapping[str, str]], tags: dict[str, str]) -> Wanted | None:
    """Resolve every value; ``None`` while an output is missing."""
    parameters: dict[str, str] = {}
    for name, value in stack.parameters.items():
        text = text_of(value, outputs)
        if text is None:
            return None
        parameters[name] = text
    own_tags = {**tags, "twine:account": stack.account, "twine:stack": stack.name, **stack.tags}
    return Wanted(
        parameters=parameters,
        capabilities=stack.capabilities,
        tags=own_tags,
        digest=digest_of(template, parameters, stack.capabilities, own_tags),
        protection=stack.protection,
    )


def verdict(key: str, aim: Wanted | None, template: Template, observed: Observed | None) -> Decision:
    """Judge one stack against what stands."""
    if observed is not None and observed.busy:
        return Decision(key, "busy", f"{observed.status}, begun by another run", aim, observed)
    if observed is not None and observed.status.endswith("_ROLLBACK_FAILED"):
        why = f"{observed.status}: {observed.reason or 'CloudFormation could not roll back'}"
        return Decision(key, "blocked", why, aim, observed)
    if observed is None:
        return Decision(key, "create", "", aim, None)
    if observed.leftover:
        return Decision(key, "recreate", f"{observed.status} is left of an earlier attempt", aim, observed)
    if aim is None:
        return Decision(key, "unknown", "", None, observed)
    drifted = changed_parameters(aim, template, observed)
    if observed.digest == aim.digest and not drifted and observed.status in READY:
        if observed.protected != aim.protection:
            return Decision(key, "protect", "termination protection differs", aim, observed)
        return Decision(key, "unchanged", "", aim, observed)
    why = f"parameters {', '.join(drifted)}" if drifted else "the template, its tags or capabilities"
    return Decision(key, "update", why, aim, observed)


def changed_parameters(aim: Wanted, template: Template, observed: Observed) -> list[str]:
    """Names whose wanted value is not the one that stands; secrets can't be compared and are left out."""
    return [name for name, value in aim.parameters.items() if not template.parameters[name].secret and observed.parameters.get(name) != value]


def decide(
    stacks: Mapping[str, Stack],
    templates: Mapping[str, Template],
    graph: Graph,
    observed: Mapping[str, Observed],
    tags: dict[str, str],
    selected: frozenset[str],
) -> dict[str, Decision]:
    """Judge all selected stacks, parents first, with today's outputs where parents stand."""
    outputs = {key: stack.outputs for key, stack in observed.items() if stack.status in READY}
    decisions: dict[str, Decision] = {}
    for key in graph.order():
        if key not in selected:
            continue
        moving = [parent for parent in graph.parents[key] if parent in decisions and decisions[parent].verdict in MOVING]
        stack = stacks[key]
        gone = {parent for parent in moving if decisions[parent].verdict in ("create", "recreate")}
        known = {parent: found for parent, found in outputs.items() if parent not in gone}
        missing = sorted({name for name, value in stack.parameters.items() if text_of(value, known) is None})
        aim = wanted(stack, templates[key], known, tags)
        first = verdict(key, aim, templates[key], observed.get(key))
        referred = {reference.key for _name, reference in stack.references()}
        decisions[key] = Decision(
            key=key,
            verdict=first.verdict,
            why=first.why,
            wanted=aim,
            observed=first.observed,
            waits_for=tuple(sorted(referred & set(moving))),
            unknown=tuple(missing),
        )
    return decisions
