"""`make lint`: every linter, side by side; one that passed on these very files before is not run again.

`python -m tools.lint` runs all, `python -m tools.lint ruff mypy` the named ones, `--again` also those that passed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

from tools import checkout, source, work

STATE = checkout.BUILD / "lint"
SCRIPTS = Path(sys.executable).parent
MYPY_PATH = STATE / "mypy" / "ansible_collections" / "twine" / "platform"


@dataclass(frozen=True)
class Linter:
    """A linter: which files it reads, the commands (all of them must succeed), and whether a slow one should start early."""

    name: str
    reads: Callable[[str], bool]
    commands: Callable[[list[str]], Sequence[Sequence[str]]]
    seconds: int
    env: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """How one linter ended: what it printed, and the seconds it took (none when nothing had changed)."""

    name: str
    ok: bool
    seconds: float
    output: str
    note: str = ""


def _ends(*suffixes: str) -> Callable[[str], bool]:
    return lambda name: name.endswith(suffixes)


def _in(*folders: str) -> Callable[[str], bool]:
    return lambda name: name.startswith(folders)


def _python(*arguments: str) -> list[str]:
    return [sys.executable, *arguments]


def _script(name: str, *arguments: str) -> list[str]:
    return [str(SCRIPTS / name), *arguments]


def _mypy(names: list[str]) -> list[list[str]]:
    MYPY_PATH.mkdir(parents=True, exist_ok=True)
    link = MYPY_PATH / "plugins"
    if link.is_symlink() and link.resolve() != (checkout.ROOT / "plugins").resolve():
        link.unlink()
    if not link.is_symlink():
        link.symlink_to(checkout.ROOT / "plugins", target_is_directory=True)
    packages = [folder for folder in ("demo", "local_cloud", "tools") if any(name.startswith(f"{folder}/") for name in names)]
    packages += ["ansible_collections.twine.platform.plugins"] if any(name.startswith("plugins/") for name in names) else []
    chosen = [word for package in packages for word in ("-p", package)]
    return [_script("mypy", "--no-error-summary", "--cache-dir", str(STATE / "mypy_cache"), *chosen)]


def _templates(names: list[str]) -> list[list[str]]:
    return [_script("cfn-lint", "--", *names)]


LINTERS = (
    Linter("sanity", lambda _names: True, lambda _names: [_python("-m", "tools.sanity")], 100),
    Linter("galaxy-importer", lambda _names: True, lambda _names: [_python("-m", "tools.collection", "import")], 40),
    Linter(
        "ansible-lint",
        lambda name: name.endswith((".yml", ".yaml", ".j2")) or name.startswith(("plugins/", "roles/")) or name == ".ansible-lint",
        lambda _names: [_script("ansible-lint", "--offline", "--profile", "production", "--strict", "-q")],
        30,
        {"ANSIBLE_COLLECTIONS_PATH": str(SCRIPTS.parent)},
    ),
    Linter(
        "antsibull-docs",
        lambda name: name.startswith(("plugins/", "meta/", "docs/docsite")) or name.endswith("argument_specs.yml") or name == "galaxy.yml",
        lambda _names: [_python("-m", "tools.collection", "docs")],
        20,
    ),
    Linter("mypy", _ends(".py", "pyproject.toml"), _mypy, 10),
    Linter("cfn-lint", _in("cloudformation/"), _templates, 10),
    Linter("ruff", _ends(".py", "pyproject.toml"), lambda _names: [_script("ruff", "check", "--quiet", "--output-format", "concise", ".")], 1),
    Linter("yamllint", _ends(".yml", ".yaml", ".yamllint"), lambda _names: [_script("yamllint", "--strict", ".")], 2),
    Linter(
        "changelog",
        lambda name: name.startswith("changelogs/") or name == "galaxy.yml",
        lambda _names: [_script("antsibull-changelog", "lint")],
        2,
    ),
)


def check(linter: Linter, names: list[str], again: bool) -> Result:
    """Run one linter on the files that it reads, unless it passed on exactly these."""
    mine = [name for name in names if linter.reads(name)]
    if not mine:
        return Result(linter.name, True, 0, "", "nothing to read yet")
    own = [name for name in names if name.startswith("tools/") or name in ("requirements.txt", "pyproject.toml")]
    key = source.fingerprint(sorted({*mine, *own}))
    stamp = STATE / f"{linter.name}.json"
    if not again and stamp.exists() and json.loads(stamp.read_text())["key"] == key:
        return Result(linter.name, True, 0, "", f"unchanged since it passed at {json.loads(stamp.read_text())['at']}")
    began = time.monotonic()
    output = ""
    for command in linter.commands(mine):
        done = subprocess.run(
            command,
            cwd=checkout.ROOT,
            env={**os.environ, **linter.env, "PATH": f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}", "NO_COLOR": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        output += done.stdout
        if done.returncode:
            return Result(linter.name, False, time.monotonic() - began, f"$ {' '.join(command)}\n{output}")
    work.replace_text(stamp, json.dumps({"key": key, "at": time.strftime("%H:%M:%S")}) + "\n")
    return Result(linter.name, True, time.monotonic() - began, output)


def main(arguments: list[str]) -> int:
    """Run linters, print a line for each as it ends, and what the failed ones said."""
    parser = argparse.ArgumentParser(prog="python -m tools.lint", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="LINTER", help=", ".join(linter.name for linter in LINTERS))
    parser.add_argument("--again", action="store_true", help="run also what passed on these files before")
    options = parser.parse_args(arguments)
    if unknown := set(options.names) - {linter.name for linter in LINTERS}:
        parser.error(f"Failed to find {', '.join(sorted(unknown))}. Choose from {', '.join(linter.name for linter in LINTERS)}.")
    chosen = [linter for linter in LINTERS if not options.names or linter.name in options.names]
    names = source.files()
    failed: list[str] = []
    with ThreadPoolExecutor(max_workers=max(2, os.cpu_count() or 2)) as pool:
        for future in as_completed([pool.submit(check, linter, names, options.again) for linter in chosen]):
            result = future.result()
            print(f"  {result.seconds:6.1f} s  {result.name:<16} {result.note or ('ok' if result.ok else 'FAILED')}", flush=True)
            if not result.ok:
                failed.append(result.name)
                print("\n".join(f"    {line}" for line in result.output.splitlines()), flush=True)
    if failed:
        print(f"Failed to lint: {', '.join(failed)}. Run one alone with `make lint-{failed[0]}`.", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
