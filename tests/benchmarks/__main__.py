"""Runs benchmarks, prints their rows, keeps them in build/bench/results.json; exits 1 when a bar is missed."""

from __future__ import annotations

import sys
from collections.abc import Callable

from tests.benchmarks import bake, boot, build_packages, converge, peer, publish
from tests.benchmarks.machines import BenchmarkError
from tests.benchmarks.rows import Row, machine, record

BENCHMARKS: dict[str, Callable[[], list[Row]]] = {
    "converge": converge.rows,
    "peer": peer.rows,
    "bake": bake.rows,
    "boot": boot.rows,
    "build_packages": build_packages.rows,
    "publish": publish.rows,
}


def main(names: list[str]) -> int:
    """Run the named benchmarks, or all."""
    if unknown := sorted(set(names) - BENCHMARKS.keys()):
        print(f"Failed to measure {unknown[0]}: there is no such benchmark. Take one of: {', '.join(BENCHMARKS)}.", file=sys.stderr)
        return 2
    print(machine(), flush=True)
    missed = False
    for name in names or BENCHMARKS:
        try:
            rows = BENCHMARKS[name]()
        except BenchmarkError as error:
            print(error, file=sys.stderr)
            return 1
        record(rows)
        print("\n".join(row.line() for row in rows), flush=True)
        missed = missed or not all(row.met for row in rows)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
