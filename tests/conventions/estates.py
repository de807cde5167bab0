"""What every estate (a folder in inventories/) and every template keeps to."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from tests.conventions import tree

TEMPLATE_BYTES = 51_200
ESTATE_LINES = 60
ACCOUNT_ID = re.compile(r"(?<![\w.-])\d{12}(?![\w.-])")


def templates_fit(root: Path) -> list[str]:
    """CloudFormation takes a template body of at most 51,200 bytes."""
    sizes = {name: (root / name).stat().st_size for name in tree.names(root, "cloudformation", suffixes=(".yml", ".yaml", ".json"))}
    return [f"{name}: {size} bytes, less than {TEMPLATE_BYTES} fit" for name, size in sizes.items() if size >= TEMPLATE_BYTES]


def templates_name_no_account(root: Path) -> list[str]:
    """A template serves every account, so it holds the number of none."""
    return [
        f"{name}:{number}: names account {found[0]}"
        for name, number, line in tree.lines(root, "cloudformation", suffixes=(".yml", ".yaml", ".json"))
        if (found := ACCOUNT_ID.search(line))
    ]


def environments_have_equal_keys(root: Path) -> list[str]:
    """dev and prod differ in values only: the same files, and in them the same keys at every depth."""
    problems = []
    for estate in tree.folders(root, "inventories"):
        sides = {side: _keys(root, f"inventories/{estate}/host_vars/{side}") for side in ("dev", "prod")}
        for have, lack in (("dev", "prod"), ("prod", "dev")):
            problems += [f"inventories/{estate}: {lack} lacks {key}" for key in sorted(sides[have] - sides[lack])]
    return problems


def _keys(root: Path, folder: str) -> set[str]:
    found: set[str] = set()
    for name in tree.names(root, folder, suffixes=(".yml", ".yaml")):
        file = name.removeprefix(f"{folder}/")
        found |= {file} | {f"{file}: {path}" for path in _paths(tree.load(root / name))}
    return found


def _paths(value: Any, at: str = "") -> set[str]:
    if isinstance(value, dict):
        return {path for key, inner in value.items() for path in ({f"{at}{key}"} | _paths(inner, f"{at}{key}."))}
    return set()


def example_is_short(root: Path) -> list[str]:
    """What a user writes for four accounts is at most 60 lines: what is the same in every estate, blank or a comment does not count."""
    example = tree.names(root, "inventories/example", suffixes=(".yml", ".yaml", ".ini"))
    others = [estate for estate in tree.folders(root, "inventories") if estate != "example"]
    own = {name for name in example if not any(_same(root / name, root / name.replace("/example/", f"/{estate}/", 1)) for estate in others)}
    lines = [line.strip() for name, _number, line in tree.lines(root, "inventories/example") if name in own]
    written = [line for line in lines if line and not line.startswith(("#", "---"))]
    return [f"inventories/example: {len(written)} lines of its own, at most {ESTATE_LINES}"] if len(written) > ESTATE_LINES else []


def _same(one: Path, other: Path) -> bool:
    return other.is_file() and one.read_bytes() == other.read_bytes()
