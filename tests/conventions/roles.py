"""What every role keeps to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.conventions import tree

PARTS = ("README.md", "defaults/main.yml", "meta/argument_specs.yml", "handlers/main.yml", "tasks/main.yml", "tasks/health_check.yml")
MAIN_LINES = 25
TARGETS = {"etc", "home", "lib", "opt", "root", "run", "srv", "usr", "var"}
TYPES: dict[str, tuple[type, ...]] = {
    "bool": (bool,),
    "dict": (dict,),
    "float": (int, float),
    "int": (int,),
    "list": (list,),
    "path": (str,),
    "str": (str,),
}


def whole(root: Path) -> list[str]:
    """Every role has its README, defaults, specs, handlers, health check and a Molecule scenario."""
    problems = []
    for role in tree.folders(root, "roles"):
        problems += [f"roles/{role}: no {part}" for part in PARTS if not (root / "roles" / role / part).is_file()]
        if not (root / "molecule" / role / "molecule.yml").is_file():
            problems.append(f"roles/{role}: no molecule/{role}/molecule.yml")
    return problems


def defaults_are_specs(root: Path) -> list[str]:
    """Names in defaults/main.yml are the optional names in argument_specs.yml, and their values are of the type said there."""
    problems = []
    for role in tree.folders(root, "roles"):
        defaults = tree.load(root / "roles" / role / "defaults" / "main.yml")
        entries = tree.load(root / "roles" / role / "meta" / "argument_specs.yml").get("argument_specs", {})
        options = entries.get("main", {}).get("options") or {}
        public = {name for name in defaults if not name.startswith("__")}
        optional = {name for name, option in options.items() if not option.get("required")}
        problems += [f"roles/{role}: default {name} is not an option of main" for name in sorted(public - set(options))]
        problems += [f"roles/{role}: option {name} is neither required nor has a default" for name in sorted(optional - public)]
        problems += [f"roles/{role}: required option {name} has a default" for name in sorted((set(options) - optional) & public)]
        for name in sorted(public & set(options)):
            problems += [f"roles/{role}: {name} {problem}" for problem in _mismatch(defaults[name], options[name])]
    return problems


def _mismatch(value: Any, option: dict[str, Any]) -> list[str]:
    if "default" in option and option["default"] != value:
        return [f"is {value!r} in defaults and {option['default']!r} in specs"]
    wanted = TYPES.get(option.get("type", "str"))
    computed = isinstance(value, str) and "{{" in value
    if wanted is None or computed or value is None:
        return []
    if not isinstance(value, wanted) or (isinstance(value, bool) and bool not in wanted):
        return [f"is {type(value).__name__} in defaults and {option.get('type', 'str')} in specs"]
    return []


def main_is_contents(root: Path) -> list[str]:
    """tasks/main.yml is a table of contents."""
    problems = []
    for role in tree.folders(root, "roles"):
        path = root / "roles" / role / "tasks" / "main.yml"
        count = len(path.read_text().splitlines()) if path.is_file() else 0
        if count > MAIN_LINES:
            problems.append(f"roles/{role}/tasks/main.yml: {count} lines, at most {MAIN_LINES}")
    return problems


def templates_lie_at_their_target(root: Path) -> list[str]:
    """A template's path under templates/ is its path on the machine."""
    return [
        f"{name}: lies at no path of a machine"
        for name in tree.names(root, "roles")
        if "/templates/" in name and name.split("/templates/")[1].split("/")[0] not in TARGETS
    ]


def entry_points_are_validated(root: Path) -> list[str]:
    """`tasks_from: install.yml` silently skips the argument spec of the entry point; without .yml it is validated."""
    return [
        f"{name}:{number}: tasks_from with .yml skips the argument spec"
        for name, number, line in tree.lines(root, "roles", "playbooks", "molecule", suffixes=(".yml",))
        if line.strip().startswith("tasks_from:") and line.strip().endswith((".yml", ".yaml"))
    ]
