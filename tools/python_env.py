"""The virtual environment .venv: exactly requirements.txt, and a link by which the checkout is the installed collection."""

from __future__ import annotations

import sys
from pathlib import Path

from tools import checkout, work

VENV = checkout.ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
REQUIREMENTS = checkout.ROOT / "requirements.txt"
UV = VENV / "bin" / "uv"
REMEDY = "Check that PyPI (or the index that pip is set to) is reached, then run `make setup` again."


def ensure() -> str:
    """Make .venv what requirements.txt says, for the interpreter that runs this."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    stamp = work.Stamp("venv", work.digest(REQUIREMENTS, version), [UV, VENV / "bin" / "ansible-playbook"])
    packages = VENV / "lib" / f"python{version}" / "site-packages"
    if stamp.fresh() and packages.is_dir():
        _link(packages)
        return f"{_count()} packages are there"
    if work.version_of([PYTHON, "--version"])[:2] != sys.version_info[:2]:
        work.run("make .venv", [sys.executable, "-m", "venv", "--clear", VENV], log="venv", remedy="Install Python's venv.")
    only_uv = work.STATE / "uv.txt"
    work.replace_text(only_uv, _block_of("uv"))
    command: work.Words = [PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "-r", only_uv]
    work.run("install uv", command, log="venv", remedy=REMEDY)
    command = [UV, "pip", "sync", "--python", PYTHON, "--require-hashes", REQUIREMENTS]
    work.run("install requirements.txt", command, log="venv", remedy=REMEDY, env=index())
    _link(packages)
    stamp.write()
    return f"{_count()} packages installed"


def index() -> dict[str, str]:
    """Return pip's own choice of an index as uv wants it, since uv does not read pip's settings."""
    answer = work.attempt([PYTHON, "-m", "pip", "config", "get", "global.index-url"])
    return {"UV_DEFAULT_INDEX": answer.stdout.strip()} if answer.returncode == 0 and answer.stdout.strip() else {}


def _count() -> int:
    return sum("==" in line for line in REQUIREMENTS.read_text().splitlines() if not line.lstrip().startswith("#"))


def _block_of(name: str) -> str:
    lines = REQUIREMENTS.read_text().splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(f"{name}=="))
    end = next((number for number in range(start + 1, len(lines)) if not lines[number].startswith(" ")), len(lines))
    return "\n".join(line for line in lines[start:end] if "#" not in line).rstrip("\\ ") + "\n"


def _link(packages: Path) -> None:
    link = packages / "ansible_collections" / "twine" / "platform"
    if link.is_symlink() and link.resolve() == checkout.ROOT:
        return
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(checkout.ROOT, target_is_directory=True)
