"""What all Python of the tree keeps to."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.conventions import tree

FUNCTION_LINES = 60
LOCAL_CLOUD_SHARE = 0.25


def _modules(root: Path, *folders: str) -> Iterator[tuple[str, ast.Module]]:
    for name in tree.names(root, *folders, suffixes=(".py",)):
        yield name, ast.parse((root / name).read_text(), filename=name)


def functions_are_short(root: Path) -> list[str]:
    """No function is over 60 lines."""
    return [
        f"{name}:{node.lineno}: {node.name} has {length} lines, at most {FUNCTION_LINES}"
        for name, module in _modules(root)
        for node in ast.walk(module)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or node.lineno) - node.lineno + 1) > FUNCTION_LINES
    ]


def nothing_imports_the_local_cloud(root: Path) -> list[str]:
    """The product does not know that there is a stand-in for AWS; only its own tests import it."""
    problems = []
    for name, module in _modules(root):
        if name.startswith(("local_cloud/", "tests/")):
            continue
        for node in ast.walk(module):
            imported = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            imported += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            problems += [f"{name}: imports {found}" for found in imported if found.split(".")[0] == "local_cloud"]
    return problems


def the_local_cloud_stays_small(root: Path) -> list[str]:
    """The stand-in for AWS is under a quarter of our Python."""
    sizes = {name: len((root / name).read_text().splitlines()) for name in tree.names(root, suffixes=(".py",))}
    ours, whole = sum(size for name, size in sizes.items() if name.startswith("local_cloud/")), sum(sizes.values())
    if ours < LOCAL_CLOUD_SHARE * whole or not ours:
        return []
    return [f"local_cloud: {ours} of {whole} lines of Python, under {LOCAL_CLOUD_SHARE:.0%} are wanted"]


def unused_names_say_what_they_are(root: Path) -> list[str]:
    """`_account`, not `_`: ansible-test's pylint keeps `_` for translations."""
    return [
        f"{name}:{node.lineno}: `_` is no name, write what it is after the underscore"
        for name, module in _modules(root)
        for node in ast.walk(module)
        if (isinstance(node, ast.Name) and node.id == "_" and isinstance(node.ctx, ast.Store)) or (isinstance(node, ast.arg) and node.arg == "_")
    ]


def waits_have_a_condition(root: Path) -> list[str]:
    """A sleep stands only in a loop that looks at what it waits for (programs that Molecule puts on machines may be slow on purpose)."""
    problems = []
    for name, module in _modules(root):
        if name.startswith("molecule/"):
            continue
        looped = {id(inner) for loop in ast.walk(module) if isinstance(loop, ast.While | ast.For | ast.AsyncFor) for inner in ast.walk(loop)}
        for node in ast.walk(module):
            fixed = isinstance(node, ast.Call) and ast.unparse(node.func) in ("time.sleep", "asyncio.sleep", "sleep")
            if fixed and id(node) not in looped and isinstance(node, ast.Call) and any(isinstance(word, ast.Constant) for word in node.args):
                problems.append(f"{name}:{node.lineno}: a fixed sleep outside a loop")
    return problems
