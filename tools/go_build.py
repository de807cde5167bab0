"""Go programs from the module proxy, each in a throw-away module of its own (they do not resolve together)."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tools import work

SETTINGS = {"CGO_ENABLED": "0", "GOFLAGS": "-mod=mod -trimpath -buildvcs=false", "GOWORK": "off"}
REMEDY = "Check that the Go module proxy is reached (`go env GOPROXY`), then run `make setup` again."


def _require_go(program: str) -> None:
    minimum = work.pins()["go"]["minimum"]
    found = work.version_of(["go", "version"])
    if found < work.as_version(minimum):
        had = ".".join(map(str, found)) or "none"
        raise work.Failed(
            f"Failed to get {program}: none on PATH is new enough, its vendor's release is not reached, and to build it takes "
            f"Go {minimum} (found: {had}). Install {program} or Go."
        )


def download(module: str, version: str, module_sum: str) -> Path:
    """Download one module, check it against its pinned sum, and return its folder in Go's own cache (read only)."""
    _require_go(module.rsplit("/", 1)[-1])
    answer = work.attempt(["go", "mod", "download", "-json", f"{module}@v{version}"], timeout=600)
    found = json.loads(answer.stdout or "{}")
    if answer.returncode or "Dir" not in found:
        raise work.Failed(f"Failed to download {module} {version}: {found.get('Error') or answer.stderr.strip()}. {REMEDY}")
    if found["Sum"] != module_sum:
        raise work.Failed(f"Failed to trust {module} {version}: its sum is {found['Sum']}, pinned is {module_sum}. Ask why before you go on.")
    return Path(found["Dir"])


def build_module(module: str, version: str, module_sum: str, output: Path, *, replace: str = "", flags: Sequence[str] = ()) -> None:
    """Build the main package of a module that others would import, with what its own go.mod replaces named again."""
    download(module, version, module_sum)
    with tempfile.TemporaryDirectory(prefix="go-", dir=work.STATE) as folder:
        lines = ["module throwaway", "go 1.21", f"require {module} v{version}"]
        lines += [f"replace {replace}"] if replace else []
        (Path(folder) / "go.mod").write_text("\n".join(lines) + "\n")
        _build(Path(folder), module, output, flags)


def build_copy(source: Path, output: Path, files: dict[str, str]) -> None:
    """Build a module from a copy of its folder, with files that its release process would have made."""
    with tempfile.TemporaryDirectory(prefix="go-", dir=work.STATE) as folder:
        copy = Path(folder) / "source"
        shutil.copytree(source, copy, copy_function=shutil.copyfile)
        for path in (copy, *copy.rglob("*")):
            if path.is_dir():
                path.chmod(0o755)
        for name, content in files.items():
            (copy / name).write_text(content)
        _build(copy, ".", output, ())


def _build(folder: Path, package: str, output: Path, flags: Sequence[str]) -> None:
    draft = output.with_name(f".{output.name}.new")
    output.parent.mkdir(parents=True, exist_ok=True)
    command: work.Words = ["go", "build", "-ldflags", " ".join(["-s -w", *flags]), "-o", draft, package]
    work.run(f"build {output.name}", command, log=output.name, cwd=folder, env=SETTINGS, remedy=REMEDY)
    draft.replace(output)
