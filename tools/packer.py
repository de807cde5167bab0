"""Packer and its plugins: from PATH when new enough, else the vendor's release by checksum, else built by Go.

Plugins go to build/tools/packer_plugins (PACKER_PLUGIN_PATH), so nothing is left in a home folder.
"""

from __future__ import annotations

import hashlib
import io
import os
import platform
import shutil
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tools import checkout, go_build, work

BINARY = checkout.BINARIES / "packer"
MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
MODULES = "github.com/hashicorp"
# Several plugins' tags still say "dev" about themselves; their vendor's release sets this at link time, and so do we.
RELEASE = "-X {module}/version.VersionPrerelease="


def ensure(progress: Callable[[str], None]) -> str:
    """Make sure of Packer and each plugin at its pin, and say where Packer came from."""
    pins = work.pins()["packer"]
    on_path = from_path("packer", work.as_version(pins["minimum"]))
    stamp = work.Stamp("packer", work.digest(pins, str(on_path)), [BINARY, *map(_folder, pins["plugins"])])
    if stamp.fresh():
        return f"{on_path or pins['version']} with {len(pins['plugins'])} plugins is there"
    if on_path:
        link(BINARY, on_path)
        origin = str(on_path)
    else:
        origin = "the vendor's release" if _from_vendor(pins) else "Go's module proxy"
        if origin.startswith("Go"):
            progress("building Packer")
            _build("packer", pins, pins, BINARY)
    for done, (name, pin) in enumerate(pins["plugins"].items(), start=1):
        progress(f"plugin {name} ({done} of {len(pins['plugins'])})")
        _plugin(name, pin, pins)
    stamp.write()
    return f"{pins['version']} with {len(pins['plugins'])} plugins, from {origin}"


def from_path(program: str, minimum: tuple[int, ...]) -> Path | None:
    """Return the program on PATH (not ours in build/) if it runs and is new enough."""
    folders = [folder for folder in os.get_exec_path() if Path(folder) != checkout.BINARIES]
    found = shutil.which(program, path=os.pathsep.join(folders))
    if found and work.version_of([found, "version"]) >= minimum:
        return Path(found)
    return None


def link(target: Path, source: Path) -> None:
    """Put a link to a program into build/tools/bin."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    target.symlink_to(source)


def _from_vendor(pins: dict[str, Any]) -> bool:
    system = f"{platform.system().lower()}_{MACHINES.get(platform.machine().lower(), 'unknown')}"
    expected = pins["archives"].get(system)
    if not expected:
        return False
    url = f"https://releases.hashicorp.com/packer/{pins['version']}/packer_{pins['version']}_{system}.zip"
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            content = answer.read()
    except OSError:
        return False
    if hashlib.sha256(content).hexdigest() != expected:
        raise work.Failed(f"Failed to trust {url}: its SHA-256 is not the pinned one. Ask why before you go on.")
    BINARY.parent.mkdir(parents=True, exist_ok=True)
    draft = BINARY.with_name(".packer.new")
    draft.write_bytes(zipfile.ZipFile(io.BytesIO(content)).read("packer"))
    draft.chmod(0o755)
    draft.replace(BINARY)
    return True


def _folder(name: str) -> Path:
    return checkout.PLUGINS / "github.com" / "hashicorp" / name


def _plugin(name: str, pin: dict[str, str], pins: dict[str, Any]) -> None:
    shutil.rmtree(_folder(name), ignore_errors=True)
    checkout.PLUGINS.mkdir(parents=True, exist_ok=True)
    source = f"github.com/hashicorp/{name}"
    if _reached("https://github.com"):
        command: work.Words = [BINARY, "plugins", "install", source, f"v{pin['version']}"]
        _packer(f"install Packer's plugin {name}", command)
        return
    built = work.STATE / f"packer-plugin-{name}"
    _build(f"packer-plugin-{name}", pin, pins, built)
    _packer(f"install Packer's plugin {name}", [BINARY, "plugins", "install", "--path", built, source])
    built.unlink()


def _packer(what: str, command: work.Words) -> None:
    env = {"PACKER_PLUGIN_PATH": str(checkout.PLUGINS), "CHECKPOINT_DISABLE": "1"}
    work.run(what, command, log="packer", env=env, remedy="Read the log, then run `make setup` again.")


def _reached(url: str) -> bool:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=10):
            return True
    except OSError:
        return False


def _build(name: str, pin: dict[str, Any], pins: dict[str, Any], output: Path) -> None:
    module = f"{MODULES}/{name}"
    replace = f"github.com/zclconf/go-cty => github.com/nywilken/go-cty {pins['go_cty']}"
    flags = [RELEASE.format(module=module)] if name != "packer" else []
    go_build.build_module(module, pin["version"], pin["module_sum"], output, replace=replace, flags=flags)
