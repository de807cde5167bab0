"""`make test`: the parts one after another (each keeps every core busy), all of them even when one fails, with their times."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from tools import checkout

# Seconds that a part may take on two cores; what is added must free its time.
BUDGET = {"lint": 240, "unit": 120, "molecule": 300, "parity": 120, "integration": 120, "scenarios": 300}


def main(arguments: list[str]) -> int:
    """Run parts by `make`, and print how each ended, how long it took and what its budget is."""
    results: list[tuple[str, float, int]] = []
    for part in arguments:
        print(f"== {part}", flush=True)
        began = time.monotonic()
        code = subprocess.run([os.environ.get("MAKE", "make"), "--no-print-directory", part], cwd=checkout.ROOT, check=False).returncode
        results.append((part, time.monotonic() - began, code))
        if code < 0 or code == 130:
            break
    print("== result")
    for part, seconds, code in results:
        budget = f"of {BUDGET[part]} s" if part in BUDGET else ""
        print(f"  {seconds:6.1f} s {budget:<9} {part:<12} {'ok' if code == 0 else 'FAILED'}")
    print(f"  {sum(seconds for _part, seconds, _code in results):6.1f} s {'':<9} in all")
    return 1 if any(code for _part, _seconds, code in results) or len(results) < len(arguments) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
