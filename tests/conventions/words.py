"""What is not to be found in the tree, and what commands in docs and the Makefile must find."""

from __future__ import annotations

import re
from pathlib import Path

from tests.conventions import tree

LARGEST = 1_000_000
YAML = (".yml", ".yaml")
PLAYS = ("roles", "playbooks", "molecule", "inventories")
# Written so that this file does not hold its own words.
LEFT_FOR_LATER = re.compile(r"\b(TO" + r"DO|FIX" + r"ME)\b|#\s*XX" + r"X\b")
SWITCHED_OFF = re.compile(
    r"#\s*(no" + r"qa|type:\s*ig" + r"nore|pylint:\s*dis" + r"able|no" + r"sec|yamllint\s+dis" + r"able)|skip_ansible" + r"_lint"
    r"|pytest\.(mark\.)?(sk" + r"ip|xf" + r"ail|import" + r"orskip)"
)
REGISTRY = re.compile(r"\b(?:(?:deb|security)\.debian|pypi|files\.pythonhosted|repo1?\.maven|registry\.npmjs|proxy\.golang)\.org\b")
IGNORE_LIST = re.compile(r"tests/sanity/ignore-.*\.txt|\.ansible-lint-ignore|\.config/ansible-lint-ignore\.txt")
IN_PLAYS = {
    "a bare mode; quote it": re.compile(r"^\s*(mode|directory_mode):\s*0?\d{3,4}\s*(#.*)?$"),
    "state: latest; name a version or a snapshot": re.compile(r"^\s*state:\s*['\"]?latest\b"),
    "shell; use a module or a command with argv": re.compile(r"^\s*(-\s+)?ansible\.builtin\.shell:|^\s*-\s+shell:"),
    "with_items; use loop": re.compile(r"^\s*with_\w+:"),
    "apt_key or apt_repository; use deb822_repository": re.compile(r"^\s*(-\s+)?(ansible\.builtin\.)?apt_(key|repository):"),
    "ignore_errors; say what may fail with failed_when": re.compile(r"^\s*ignore_errors:"),
    "a fixed pause; wait for the condition": re.compile(r"^\s*(-\s+)?(ansible\.builtin\.)?pause:"),
    "changed_when: true; look whether it changed": re.compile(r"^\s*changed_when:\s*true\b"),
    "failed_when: false; say what may fail": re.compile(r"^\s*failed_when:\s*false\b"),
}
SHEBANGS = {"#!/bin/sh", "#!/bin/bash -eu", "#!/usr/bin/env bash", "#!/usr/bin/env python", "#!/usr/bin/make -f"}
# Ansible puts the interpreter of the machine in its place.
MODULE_SHEBANG = "#!/usr/bin/python"
BLOCK = re.compile(r"^```(?:sh|bash|console|shell)\n(.*?)^```", re.MULTILINE | re.DOTALL)
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!\w+:)([^)\s]+)\)")
MAKE = re.compile(r"(?:^|[;&|]\s*|\s)make((?:\s+[\w./=\"%-]+)+)")
# `ifneq ($(wildcard PATH),)` … `endif`: part of the Makefile only where PATH is.
CONDITIONAL = re.compile(r"^ifneq \(\$\(wildcard (\S+)\),\)\n(.*?)^endif\n", re.MULTILINE | re.DOTALL)
TARGET = re.compile(r"^([a-zA-Z][\w%-]*):(?!=)", re.MULTILINE)
IN_TREE = re.compile(r"(?<![\w./~$-])((?:playbooks|inventories|tools|tests|packages|roles|local_cloud|docs)/[\w./-]*\w)")
MODULE = re.compile(r"python3?\s+-m\s+([\w.]+)")
INSTALLED = {"pip", "pytest", "venv"}


def nothing_left_for_later(root: Path) -> list[str]:
    """No reminders: what is not done is said in the docs."""
    return [f"{name}:{number}: {found[0]}" for name, number, line in tree.lines(root) if (found := LEFT_FOR_LATER.search(line)) and name != "COPYING"]


def registries_are_not_named(root: Path) -> list[str]:
    """What comes from outside is named by coordinates; where from, the settings of the machine's own clients say."""
    return [f"{name}:{number}: {found[0]}" for name, number, line in tree.lines(root) if (found := REGISTRY.search(line))]


def no_check_is_switched_off(root: Path) -> list[str]:
    """Linters have no ignore lists and no exceptions line by line; a test runs, or it fails."""
    problems = [f"{name}:{number}: {found[0]}" for name, number, line in tree.lines(root) if (found := SWITCHED_OFF.search(line))]
    return problems + [f"{name}: an ignore list" for name in tree.names(root) if IGNORE_LIST.fullmatch(name)]


def plays_keep_to_modules(root: Path) -> list[str]:
    """In roles and playbooks: quoted modes, named versions, modules instead of shell, conditions instead of pauses."""
    return [
        f"{name}:{number}: {what}"
        for name, number, line in tree.lines(root, *PLAYS, suffixes=YAML)
        for what, pattern in IN_PLAYS.items()
        if pattern.search(line)
    ]


def playbooks_are_found_by_name(root: Path) -> list[str]:
    """ansible-playbook twine.platform.NAME finds only flat names with underscores; group_vars there would overrule a user's inventory."""
    return [
        f"{name}: not found by its full name" if name.endswith(YAML) else f"{name}: not a playbook"
        for name in tree.names(root, "playbooks")
        if not re.fullmatch(r"playbooks/[a-z][a-z0-9_]*\.yml", name)
    ]


def programs_start_plainly(root: Path) -> list[str]:
    """First lines of programs are of the few that ansible-test knows; other options belong into the unit or the caller."""
    first = [(name, line) for name, number, line in tree.lines(root) if number == 1 and line.startswith("#!")]
    known = {name: {MODULE_SHEBANG} if name.startswith("plugins/modules/") else SHEBANGS for name, _line in first}
    return [f"{name}: starts with {line}; use one of {', '.join(sorted(known[name]))}" for name, line in first if line not in known[name]]


def files_are_small(root: Path) -> list[str]:
    """What is large is downloaded by digest or made, not kept."""
    return [f"{name}: {size} bytes" for name in tree.names(root) if (size := (root / name).stat().st_size) > LARGEST]


def commands_in_docs_exist(root: Path) -> list[str]:
    """Every make target, file and module that a sh block names is there."""
    targets = _targets(root)
    problems = []
    for name in tree.names(root, suffixes=(".md",)):
        for block in BLOCK.findall((root / name).read_text()):
            problems += [f"{name}: {problem}" for line in block.splitlines() for problem in _missing(root, line, targets)]
    return problems


def links_in_docs_resolve(root: Path) -> list[str]:
    """What a page links to in the tree is there, and so is the heading that it names."""
    problems = []
    for name in tree.names(root, suffixes=(".md",)):
        for link in LINK.findall(FENCE.sub("", (root / name).read_text())):
            place, _sign, heading = link.partition("#")
            target = (root / name).parent / place if place else root / name
            if not target.exists():
                problems.append(f"{name}: no {link}")
            elif heading and target.suffix == ".md" and heading not in _headings(target.read_text()):
                problems.append(f"{name}: no heading {link}")
    return problems


def _headings(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    titles = [line.lstrip("#").strip().lower() for line in FENCE.sub("", text).splitlines() if line.startswith("#")]
    return {re.sub(r"[^\w -]", "", title).replace(" ", "-") for title in titles}


def make_targets_have_their_machinery(root: Path) -> list[str]:
    """A target exists only when the playbook, module or file that it calls does."""
    text = _makefile(root)
    called = re.findall(r"\$\(call playbook,(\w+)", text)
    problems = [f"Makefile: no playbooks/{name}.yml" for name in called if not (root / "playbooks" / f"{name}.yml").is_file()]
    recipes = "\n".join(line for line in text.splitlines() if line.startswith("\t")).replace("$(PYTHON)", "python").replace("$$python", "python")
    return problems + [f"Makefile: {problem}" for line in recipes.replace('"', "").splitlines() for problem in _missing(root, line, _targets(root))]


def _makefile(root: Path) -> str:
    path = root / "Makefile"
    text = path.read_text() if path.is_file() else ""
    return CONDITIONAL.sub(lambda found: found[2] if (root / found[1]).exists() else "", text)


def _targets(root: Path) -> set[str]:
    return set(TARGET.findall(_makefile(root)))


def _missing(root: Path, line: str, targets: set[str]) -> list[str]:
    patterns = [re.compile(re.escape(target).replace("%", ".+")) for target in targets]
    wanted = [word for call in MAKE.findall(line.split("#")[0]) for word in call.split() if "=" not in word and not word.startswith("-")]
    problems = [f"no target {word} in Makefile" for word in wanted if not any(pattern.fullmatch(word) for pattern in patterns)]
    problems += [f"no {path}" for path in IN_TREE.findall(line) if not (root / path).exists()]
    for module in MODULE.findall(line):
        place = root.joinpath(*module.split("."))
        if module not in INSTALLED and not place.with_suffix(".py").is_file() and not (place / "__main__.py").is_file():
            problems.append(f"no module {module}")
    return problems
