"""What an image is made of, read from the checkout: content only, never a time, a folder's place, a comment or an order."""

from __future__ import annotations

import hashlib
import json
import re
import traceback
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

try:
    import yaml
except ImportError:
    YAML_IMPORT_ERROR = traceback.format_exc()
else:
    YAML_IMPORT_ERROR = ""

# A comment to the end of the line; behind a quote it might be a part of a string, and is left.
_HCL_COMMENT = re.compile(r"^\s*(?:#|//).*$|\s(?:#|//)[^\"]*$")
_WORD = re.compile(r"[A-Za-z_]\w*")
PLAYBOOKS = ("bake_machine", "configure_machine", "seal_image")
# Ours that write in an image; Ansible's own count by its version.
PLUGINS = (
    "action/files.py",
    "action/provenance.py",
    "callback/provenance.py",
    "module_utils/_files.py",
    "module_utils/_provenance.py",
    "modules/files.py",
)
_NOT_CONFIGURATION = frozenset({"README.md", "NOTE.md", "__pycache__"})


@lru_cache(maxsize=1)
def _any_tag() -> Any:
    """A loader that reads YAML with Ansible's own tags (!vault, !unsafe) as plain values: they are only compared."""
    loader: Any = type("AnyTag", (yaml.SafeLoader,), {})
    loader.add_multi_constructor("!", _plain)
    return loader


def _plain(loader: Any, suffix: str, node: Any) -> Any:
    value = loader.construct_mapping(node, deep=True) if isinstance(node, yaml.MappingNode) else getattr(node, "value", None)
    return {suffix: str(value)}


def digest_of_file(path: Path) -> str:
    """A digest of what the file says: YAML by its data, HCL without comments and blank lines, all else by its bytes."""
    data = path.read_bytes()
    if path.suffix in (".yml", ".yaml"):
        documents = list(yaml.load_all(data, Loader=_any_tag()))
        data = json.dumps(documents, sort_keys=True, default=str).encode()
    elif path.suffix == ".hcl":
        lines = (_HCL_COMMENT.sub("", line).strip() for line in data.decode().splitlines())
        data = "\n".join(line for line in lines if line).encode()
    return hashlib.sha256(data).hexdigest()


def digest_of_tree(folder: Path) -> str:
    """A digest of every file under ``folder`` that configures something, with its relative path and executable bit."""
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if path.is_file() and not _NOT_CONFIGURATION.intersection(relative.parts):
            mode = "x" if path.stat().st_mode & 0o100 else "-"
            total.update(f"{relative.as_posix()} {mode} {digest_of_file(path)}\n".encode())
    return total.hexdigest()


def digest_of_variables(variables: Mapping[str, Any], roles: Iterable[str]) -> str:
    """A digest of those ``variables`` that the roles take, and of all that these are made of: a role's begin with its name."""
    prefixes = tuple(f"{role}_" for role in roles)
    taken: dict[str, Any] = {}
    wanted = {name for name in variables if name.startswith(prefixes)}
    while wanted:
        taken |= {name: variables[name] for name in wanted}
        words = {word for name in wanted for word in _WORD.findall(json.dumps(variables[name], default=str)) if "{" in str(variables[name])}
        wanted = (words & variables.keys()) - taken.keys()
    return hashlib.sha256(json.dumps(taken, sort_keys=True, default=str).encode()).hexdigest()


def group_variables(inventory: Path, groups: Iterable[str]) -> dict[str, Any]:
    """The variables that an inventory folder gives to ``groups``, as written: later groups win."""
    found: dict[str, Any] = {}
    for group in groups:
        folder = inventory / "group_vars" / group
        files = sorted(folder.glob("*.yml")) if folder.is_dir() else [folder.with_suffix(".yml")]
        for path in files:
            if path.exists():
                found |= yaml.load(path.read_bytes(), Loader=_any_tag()) or {}
    return found


def installed_by(checkout: Path, roles: Iterable[str]) -> list[str]:
    """The names of what ``roles`` install from the distribution, and of what a machine begins with."""
    declared = yaml.safe_load((checkout / "roles" / "packages.yml").read_text())
    return sorted({name for role in ("base", *roles) for name in declared.get(role, [])})


def collect(checkout: Path, inventory: Path, role: str, roles: Iterable[str], packages: Mapping[str, str]) -> dict[str, str]:
    """All inputs that lie in the checkout, for the image of ``role`` made by ``roles``.

    ``packages`` is all that is installed from the snapshot: name → version and digest.
    """
    roles = list(roles)
    inputs = {f"package {name}": package for name, package in packages.items()}
    inputs |= {f"role {name}": digest_of_tree(checkout / "roles" / name) for name in roles}
    inputs |= {f"playbook {name}": digest_of_file(checkout / "playbooks" / f"{name}.yml") for name in PLAYBOOKS}
    inputs |= {f"plugin {name}": digest_of_file(checkout / "plugins" / name) for name in PLUGINS}
    inputs |= {f"packer {path.name}": digest_of_file(path) for path in sorted((checkout / "packer").glob("*.hcl"))}
    inputs[f"packer {role}.pkrvars.hcl"] = digest_of_file(checkout / "packer" / "images" / f"{role}.pkrvars.hcl")
    inputs["variables"] = digest_of_variables(group_variables(inventory, ["all", role]), roles)
    return inputs
