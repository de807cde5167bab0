"""Reading a tree of files: the checkout as git sees it, or any folder (so that a test can lay out a bad one)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tools import source


class TolerantLoader(yaml.SafeLoader):
    """Reads YAML with tags of other readers (!vault, !Ref, !Sub …) as plain values."""


def _plain(loader: TolerantLoader, _tag: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return loader.construct_scalar(node) if isinstance(node, yaml.ScalarNode) else None


TolerantLoader.add_multi_constructor("!", _plain)


def load(path: Path) -> Any:
    """Return the content of a YAML file, or an empty mapping when there is none."""
    return (yaml.load(path.read_text(), Loader=TolerantLoader) or {}) if path.is_file() else {}


def names(root: Path, *folders: str, suffixes: tuple[str, ...] = ("",)) -> list[str]:
    """Return paths relative to root, of all files or of those in some folders, with one of the suffixes."""
    found = source.files(root) if (root / ".git").exists() else sorted(p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file())
    return [name for name in found if name.endswith(suffixes) and (not folders or name.startswith(tuple(f"{folder}/" for folder in folders)))]


def lines(root: Path, *folders: str, suffixes: tuple[str, ...] = ("",)) -> Iterator[tuple[str, int, str]]:
    """Yield name, line number and line of every text file."""
    for name in names(root, *folders, suffixes=suffixes):
        try:
            text = (root / name).read_text()
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.splitlines(), start=1):
            yield name, number, line


def folders(root: Path, parent: str) -> list[str]:
    """Return the names of the folders directly in parent that hold a file of the tree."""
    return sorted({name.split("/")[1] for name in names(root, parent) if name.count("/") > 1})
