"""What ``--diff`` shows: parameters and template, before and after. Secrets never appear."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

from .cloudformation import Observed
from .decide import Decision, Wanted
from .template import Template


class Reader(Protocol):
    """Gives templates, those wanted and those that stand."""

    templates: dict[str, Template]

    def standing_body(self, key: str) -> str:
        """The body of a stack as it stands."""


def differences(reader: Reader, decisions: Mapping[str, Decision]) -> list[dict[str, Any]]:
    """One entry a stack that is not as wanted, in the form of Ansible's ``diff``."""
    interesting = [decision for decision in decisions.values() if decision.verdict not in ("unchanged", "busy", "blocked")]
    with ThreadPoolExecutor(max_workers=8) as pool:
        return list(pool.map(lambda decision: _difference(reader, decision), interesting))


def _difference(reader: Reader, decision: Decision) -> dict[str, Any]:
    template = reader.templates[decision.key]
    stands = decision.observed if decision.verdict in ("update", "protect", "unknown") else None
    before = _parameters_before(stands, template) + (reader.standing_body(decision.key) if stands else "")
    after = _parameters_after(decision.wanted, decision.unknown, template) + template.body
    return {
        "before_header": f"{decision.key} (as it stands)",
        "after_header": f"{decision.key} (as wanted)",
        "before": before,
        "after": after,
    }


def _parameters_before(stands: Observed | None, template: Template) -> str:
    return _lines(dict(stands.parameters), template) if stands else ""


def _parameters_after(aim: Wanted | None, unknown: tuple[str, ...], template: Template) -> str:
    defaults = {name: declared.default for name, declared in template.parameters.items()}
    given = aim.parameters if aim else dict.fromkeys(unknown, "(known after its parent)")
    return _lines({**defaults, **given}, template)


def _lines(values: Mapping[str, str], template: Template) -> str:
    def shown(name: str) -> str:
        declared = template.parameters.get(name)
        return "(secret)" if declared is not None and declared.secret else values[name]

    return "".join(f"{name} = {shown(name)}\n" for name in sorted(values)) + "---\n"
