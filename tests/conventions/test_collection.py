"""The collection as a user gets it: built, installed elsewhere, and asked for its documentation by its full name."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conventions import tree
from tools import source

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = Path(sys.executable).parent
PLUGIN_KINDS = {"modules": "module", "filter": "filter", "lookup": "lookup", "inventory": "inventory", "callback": "callback", "test": "test"}


def ansible(program: str, *arguments: str, home: Path, cwd: Path) -> str:
    path = f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}"
    env = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(home), "ANSIBLE_HOME": str(home / ".ansible"), "PATH": path}
    done = subprocess.run([str(SCRIPTS / program), *arguments], cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    work = tmp_path_factory.mktemp("collection")
    folder = source.copy(work / "tree")
    ansible("ansible-galaxy", "collection", "build", "--output-path", str(work), home=work, cwd=folder)
    archive = next(work.glob("*.tar.gz"))
    # Without --force the checkout, which the virtual environment links to, counts as installed already.
    options = ["--force", "--no-deps", "--offline", "-p", str(work / "home")]
    ansible("ansible-galaxy", "collection", "install", *options, str(archive), home=work, cwd=work)
    assert (work / "home" / "ansible_collections" / "twine" / "platform" / "MANIFEST.json").exists()
    return work / "home"


def offered(root: Path) -> set[str]:
    """Return kind and name of every plugin and role of a tree, as ansible-doc should show them."""
    plugins = {
        f"{PLUGIN_KINDS[kind]} {Path(file).stem}"
        for _plugins, kind, *file_parts in (name.split("/") for name in tree.names(root, "plugins", suffixes=(".py",)))
        if kind in PLUGIN_KINDS and (file := "/".join(file_parts)) != "__init__.py"
    }
    return plugins | {f"role {role}" for role in tree.folders(root, "roles")}


def shown(home: Path, kinds: set[str]) -> set[str]:
    """Return kind and name of everything of these kinds that ansible-doc shows of the installed collection."""
    found = set()
    for kind in sorted(kinds):
        answer = json.loads(ansible("ansible-doc", "--json", "--list", "--type", kind, "twine.platform", home=home, cwd=home) or "{}")
        found |= {f"{kind} {name.removeprefix('twine.platform.')}" for name in answer if name.startswith("twine.platform.")}
    return found


def test_every_module_and_role_is_shown(installed: Path) -> None:
    wanted = offered(ROOT)
    assert wanted - shown(installed, {what.split()[0] for what in wanted}) == set()


def test_what_is_not_installed_is_missed(tmp_path: Path) -> None:
    for name in ("plugins/modules/fly.py", "plugins/module_utils/_fly.py", "roles/fly/tasks/main.yml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")

    assert offered(tmp_path) == {"module fly", "role fly"}


def test_a_playbook_is_found_by_its_full_name(installed: Path) -> None:
    found = ansible("ansible-playbook", "--list-tasks", "-i", "localhost,", "twine.platform.configure_machine", home=installed, cwd=installed)

    assert "configure_machine.yml" in found


def test_nothing_generated_is_packed(installed: Path) -> None:
    packed = {path.name for path in (installed / "ansible_collections/twine/platform").iterdir()}

    assert packed.isdisjoint({"build", ".venv", ".git", ".ansible", ".ci"})
