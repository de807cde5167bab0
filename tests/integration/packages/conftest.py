"""A checkout of its own with small packages, each of which a real builder gets to see."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args

from ansible_collections.twine.platform.plugins.module_utils._packages.runner import ModuleRunner

ROOT = Path(__file__).resolve().parents[3]

DEFINITION = """---
name: {name}
version: "1.0"
summary: Something to install
licence: GPL-3.0-or-later
architecture: all
source:
  kind: tree
build_depends: []
depends: []
smoke_test:
  - test "$({name})" = hello
"""
CONTROL = """Source: {name}
Section: misc
Priority: optional
Maintainer: A Person <a@example.org>
Build-Depends: debhelper-compat (= 13)
Standards-Version: 4.6.2
Rules-Requires-Root: no

Package: {name}
Architecture: all
Depends: ${{misc:Depends}}
Description: something to install
 A program that says hello, for tests of the builder.
"""
CHANGELOG = """{name} ({version}-1~deb12) bookworm; urgency=medium

  * Begin.

 -- A Person <a@example.org>  Mon, 24 Nov 2025 09:00:00 +0000
"""
COPYRIGHT = """Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/

Files: *
Copyright: 2025 A Person
License: GPL-3.0-or-later
 On Debian systems the text of the GNU General Public License, version 3, is in
 /usr/share/common-licenses/GPL-3.
"""
RULES = """#!/usr/bin/make -f
%:
\tdh $@

override_dh_auto_install:
\tinstall -D --mode=0755 program debian/{name}/usr/bin/{name}
\t{more}
"""


class Checkout:
    """A folder laid out as a checkout, with our own builder and smoke-test machine in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for folder in ("builder", "smoke_test"):
            shutil.copytree(ROOT / "packages" / folder, root / "packages" / folder)

    @property
    def output(self) -> Path:
        return self.root / "build" / "packages"

    def add(self, name: str, more: str = ":") -> Path:
        """Add a package that installs a program; `more` is another line of debian/rules. Returns the package's folder."""
        folder = self.root / "packages" / name
        (folder / "debian" / "source").mkdir(parents=True)
        (folder / "package.yml").write_text(DEFINITION.format(name=name))
        (folder / "program").write_text("#!/bin/sh\necho hello\n")
        for file, text in {"control": CONTROL, "changelog": CHANGELOG, "copyright": COPYRIGHT, "rules": RULES}.items():
            (folder / "debian" / file).write_text(text.format(name=name, version="1.0", more=more))
        (folder / "debian" / "rules").chmod(0o755)
        (folder / "debian" / "source" / "format").write_text("3.0 (native)\n")
        return folder


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


@pytest.fixture
def run() -> ModuleRunner:
    with patch_module_args({}):
        return ModuleRunner(AnsibleModule(argument_spec={}).run_command)
