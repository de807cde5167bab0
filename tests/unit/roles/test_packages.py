"""roles/packages.yml is what the roles install: what is missing there could not be installed while an image is baked."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jinja2.nativetypes
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
ROLES = ROOT / "roles"
DECLARED: dict[str, list[str]] = yaml.safe_load((ROLES / "packages.yml").read_text())
PLAYS = yaml.safe_load((ROOT / "playbooks" / "configure_machine.yml").read_text())
MACHINES: dict[str, list[str]] = PLAYS[0]["vars"]["machine_roles_by_group"]
# The repository's own machine installs from the archive that it mirrors.
CONFIGURE = sorted({"common", "image", *(role for roles in MACHINES.values() for role in roles)} - {"aptly"})
OURS = {path.parent.name for path in ROOT.glob("packages/*/package.yml")}


def tasks(data: Any) -> Iterator[dict[str, Any]]:
    """Every task of a file, those in blocks as well."""
    for task in data or []:
        yield task
        for part in ("block", "rescue", "always"):
            yield from tasks(task.get(part))


def installs(role: str) -> set[str]:
    """The names that a role gives to apt, with the role's own defaults."""
    values: dict[str, Any] = {"ansible_facts": {"distribution_release": "bookworm"}}
    for part in ("defaults", "vars"):
        path = ROLES / role / part / "main.yml"
        values |= (yaml.safe_load(path.read_text()) or {}) if path.is_file() else {}
    found: set[str] = set()
    for path in (ROLES / role / "tasks").glob("*.yml"):
        for task in tasks(yaml.safe_load(path.read_text())):
            module = task.get("ansible.builtin.apt", {})
            if "name" in module and module.get("state", "present") == "present":
                found |= set(_names(module["name"], values))
    return found


def _names(name: Any, values: dict[str, Any]) -> Iterator[str]:
    if isinstance(name, list):
        for item in name:
            yield from _names(item, values)
    elif isinstance(name, str) and "{{" in name:
        yield from _names(jinja2.nativetypes.NativeEnvironment().from_string(name).render(values), values)
    else:
        yield str(name)


@pytest.mark.parametrize("role", CONFIGURE)
def test_role_installs_what_is_declared(role: str) -> None:
    assert sorted(installs(role) - OURS) == sorted(DECLARED[role])


def test_nothing_is_declared_for_a_role_that_is_not_there() -> None:
    assert set(DECLARED) == {"base", *CONFIGURE}


def test_a_machine_begins_with_what_the_base_image_has() -> None:
    pins = tomllib.loads((ROOT / "tools" / "versions.toml").read_text())
    assert sorted(DECLARED["base"]) == sorted(pins["base"]["packages"])
