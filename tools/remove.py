"""Removes what runs: every container, network and volume that carries this checkout's label. `make down` and every trap end here.

`--only KEY=VALUE` restricts it to one more label, `--images` takes the checkout's images, too.
"""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ThreadPoolExecutor

from tools import checkout, docker_engine, work


def _found(kind: str, labels: list[str]) -> list[str]:
    command = ["docker", kind, "ls", "--quiet", *(["--all"] if kind == "container" else [])]
    answer = work.attempt([*command, *(word for label in labels for word in ("--filter", f"label={label}"))])
    if answer.returncode:
        reason = answer.stderr.strip().splitlines() or ["no answer"]
        raise work.Failed(f"Failed to ask Docker what runs: {reason[-1]}. Start Docker, or nothing is left to remove.")
    return list(dict.fromkeys(answer.stdout.split()))


def _remove(kind: str, name: str) -> str:
    options = {"container": ["--force", "--volumes"], "volume": ["--force"], "image": ["--force"]}.get(kind, [])
    answer = work.attempt(["docker", kind, "rm", *options, name])
    # Another run, or the thing itself (`--rm`), may have been quicker.
    gone = any(word in answer.stderr.lower() for word in ("no such", "not found", "already in progress"))
    return "" if answer.returncode == 0 or gone else answer.stderr.strip()


def remove(labels: list[str], kinds: tuple[str, ...]) -> dict[str, int]:
    """Remove everything of these kinds that carries all labels; what is in use by others is an error. Returns counts by kind."""
    counts: dict[str, int] = {}
    # The local cloud replaces machines that go away, so it goes first.
    for name in _found("container", [*labels, "twine.role=cloud"]):
        _remove("container", name)
        counts["container"] = counts.get("container", 0) + 1
    for kind in kinds:
        names = _found(kind, labels)
        with ThreadPoolExecutor(max_workers=8) as pool:
            errors = [error for error in pool.map(lambda name, kind=kind: _remove(kind, name), names) if error]
        if errors:
            raise work.Failed(f"Failed to remove {len(errors)} of {len(names)} {kind}s: {errors[0]}. Remove what uses them and try again.")
        counts[kind] = counts.get(kind, 0) + len(names)
    return counts


def main(arguments: list[str]) -> int:
    """Remove, and say how much that was."""
    parser = argparse.ArgumentParser(prog="python -m tools.remove", description=__doc__)
    parser.add_argument("--only", metavar="KEY=VALUE")
    parser.add_argument("--images", action="store_true")
    parser.add_argument("--quiet", action="store_true")
    options = parser.parse_args(arguments)
    labels = [checkout.label(), *([options.only] if options.only else [])]
    kinds = ("container",) if options.only else ("container", "network", "volume", *(("image",) if options.images else ()))
    try:
        counts = remove(labels, kinds)
    except work.Failed as error:
        print(error, file=sys.stderr)
        return 1
    if not options.quiet:
        if daemon := docker_engine.own_daemon():
            print(f"Docker itself keeps running, since other checkouts may use it: `kill {daemon}` ends it (`make setup` had started it).")
        print("Removed " + ", ".join(f"{count} {kind}{'' if count == 1 else 's'}" for kind, count in counts.items()) + ".")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
