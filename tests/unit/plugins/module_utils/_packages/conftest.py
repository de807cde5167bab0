"""A package folder to change, and debs written byte by byte."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from ansible_collections.twine.platform.plugins.module_utils._packages import runner
from tests.unit.plugins.conftest import module_runner

DEFINITION = """---
name: greeting
version: "1.0"
summary: Something to install
licence: GPL-3.0-or-later
architecture: all
source:
  kind: tree
build_depends: []
depends: [python3]
smoke_test:
  - greet --version
"""
CONTROL = """Source: greeting
Build-Depends: debhelper-compat (= 13), dh-python

Package: greeting
Architecture: all
Depends: python3 (>= 3.11), ${misc:Depends}
Description: something to install
"""
CHANGELOG = """greeting (1.0-1~deb12) bookworm; urgency=medium

  * Begin.

 -- A Person <a@example.org>  Mon, 24 Nov 2025 09:00:00 +0000
"""


def write_deb(path: Path, fields: Mapping[str, str], files: Mapping[str, bytes], epoch: int = 0, mode: int = 0o644) -> Path:
    """Write a deb without dpkg: the control fields and the files by path."""
    control = "".join(f"{name}: {value}\n" for name, value in fields.items()).encode()
    parts = {"debian-binary": b"2.0\n", "control.tar.gz": _packed({"./control": control}, epoch, mode)}
    parts["data.tar.gz"] = _packed({f"./{name}": content for name, content in files.items()}, epoch, mode)
    with path.open("wb") as deb:
        deb.write(b"!<arch>\n")
        for name, data in parts.items():
            deb.write(f"{name:<16}{epoch:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode())
            deb.write(data + b"\n" * (len(data) % 2))
    return path


def _packed(files: Mapping[str, bytes], epoch: int, mode: int) -> bytes:
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mtime, member.mode = len(content), epoch, mode
            tar.addfile(member, io.BytesIO(content))
    return gzip.compress(plain.getvalue(), mtime=0)


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """A folder of packages with one, `greeting`."""
    folder = tmp_path / "packages" / "greeting"
    (folder / "debian").mkdir(parents=True)
    (folder / "package.yml").write_text(DEFINITION)
    (folder / "debian" / "control").write_text(CONTROL)
    (folder / "debian" / "changelog").write_text(CHANGELOG)
    (folder / "text").write_text("hello\n")
    return tmp_path / "packages"


@pytest.fixture
def run() -> runner.ModuleRunner:
    return module_runner()
