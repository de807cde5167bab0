"""The collection as users get it: built from a clean copy, imported as Galaxy would, its documentation checked."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tools import checkout, source

DIST = checkout.BUILD / "dist"
SCRIPTS = Path(sys.executable).parent


def build() -> Path:
    """Build the collection's archive from a clean copy into build/dist, and return its path."""
    folder = source.copy(checkout.BUILD / "lint" / "tree")
    shutil.rmtree(DIST, ignore_errors=True)
    _run("ansible-galaxy", "collection", "build", "--force", "--output-path", str(DIST), cwd=folder)
    return next(DIST.glob("*.tar.gz"))


def import_archive() -> None:
    """Import the built archive as Galaxy would."""
    archive = build()
    _run(sys.executable, "-m", "galaxy_importer.main", str(archive), cwd=DIST)


def docs() -> None:
    """Check the documentation of every plugin and role, references between them included."""
    folder = source.copy(checkout.BUILD / "lint" / "docs")
    _run("antsibull-docs", "lint-collection-docs", "--plugin-docs", "--validate-collection-refs", "dependent", ".", cwd=folder)


def _run(program: str, *arguments: str, cwd: Path) -> None:
    path = program if program == sys.executable else str(SCRIPTS / program)
    done = subprocess.run([path, *arguments], cwd=cwd, env={**os.environ, "NO_COLOR": "1"}, stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        raise SystemExit(done.returncode)


if __name__ == "__main__":
    {"build": build, "import": import_archive, "docs": docs}[sys.argv[1]]()
