# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which variables look as if they were a role's and are not: a misspelt name would change nothing, silently."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any


def options_of(specs: Mapping[str, Any]) -> set[str]:
    """The names of all options in a role's ``argument_specs``, of every entry point."""
    return {name for entry in specs.values() for name in (entry.get("options") or {})}


def unknown(given: Iterable[str], options: Mapping[str, set[str]]) -> list[str]:
    """A sentence for each name of ``given`` that begins with a role's name and is none of the role's ``options``.

    ``options`` maps role → names of its options. A name that begins with two roles' names is known if either knows it.
    """
    sentences = []
    for name in sorted(given):
        roles = [role for role in sorted(options) if name.startswith(f"{role}_")]
        if roles and not any(name in options[role] for role in roles):
            sentences.append(f"{name} is no variable of role {roles[-1]}. {_remedy(name, roles[-1], options[roles[-1]])}")
    return sentences


def _remedy(name: str, role: str, options: set[str]) -> str:
    known = {option.removeprefix(f"{role}_"): option for option in sorted(options)}
    near = difflib.get_close_matches(name.removeprefix(f"{role}_"), known, n=1)
    return f"Did you mean {known[near[0]]}?" if near else f"`ansible-doc -t role twine.platform.{role}` lists them."
