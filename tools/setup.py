"""`make setup`: brings a fresh machine to where everything runs. Independent parts run side by side, the longest first."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from tools import aptly, base_image, docker_engine, emulator, java, packer, preflight, python_env, qemu, work

HEARTBEAT = 20.0


@dataclass
class Part:
    """One thing to set up: what it needs first, about how long it takes from nothing (seconds), and how."""

    name: str
    needs: tuple[str, ...]
    seconds: int
    make: Callable[[Part], str]
    doing: str = ""
    began: float = 0.0
    detail: str = ""
    error: str = ""
    took: float = field(default=0.0)


def parts() -> list[Part]:
    """Return the parts, the longest first. Packer and aptly both keep every core busy, so they take turns by a lock."""
    compiler = threading.Lock()

    def compiled(ensure: Callable[[Callable[[str], None]], str]) -> Callable[[Part], str]:
        def make(part: Part) -> str:
            part.doing = "waits for the compiler"
            with compiler:
                part.doing = ""
                return ensure(lambda doing: setattr(part, "doing", doing))

        return make

    return [
        Part("preflight", (), 1, lambda _part: preflight.ensure()),
        Part("packer", ("preflight",), 200, compiled(packer.ensure)),
        Part("docker", ("preflight",), 30, lambda _part: docker_engine.ensure()),
        Part("venv", ("preflight",), 25, lambda _part: python_env.ensure()),
        Part("base image", ("docker",), 45, lambda _part: base_image.ensure()),
        Part("java", ("base image",), 40, lambda _part: java.ensure()),
        Part("emulator", ("venv", "base image"), 10, lambda _part: emulator.ensure()),
        Part("aptly", ("base image",), 120, compiled(aptly.ensure)),
        Part("qemu", ("java",), 20, lambda _part: qemu.offer()),
    ]


def run(plan: list[Part], say: Callable[[str], None]) -> bool:
    """Make all parts, each as soon as what it needs is there; after a failure start no further one. Returns success."""
    waiting = list(plan)
    running: dict[Future[None], Part] = {}
    done: set[str] = set()
    with ThreadPoolExecutor(max_workers=len(plan)) as pool:
        while waiting or running:
            failed = any(part.error for part in plan)
            ready = [part for part in waiting if not failed and done.issuperset(part.needs)]
            for part in ready:
                waiting.remove(part)
                part.began = time.monotonic()
                running[pool.submit(_make, part)] = part
            if not running:
                break
            finished, _still = wait(running, timeout=HEARTBEAT, return_when=FIRST_COMPLETED)
            for future in finished:
                part = running.pop(future)
                done.add(part.name)
                say(_line(part, [*running.values(), *waiting]))
            if not finished:
                say("           … " + "; ".join(_progress(part) for part in running.values()))
    return not any(part.error for part in plan)


def _make(part: Part) -> None:
    try:
        part.detail = part.make(part)
    except work.Failed as error:
        part.error = str(error)
    part.took = time.monotonic() - part.began


def _line(part: Part, others: list[Part]) -> str:
    remains = f"   [then: {', '.join(other.name for other in others)}]" if others and part.took > 1 else ""
    return f"  {part.took:6.1f} s  {part.name:<10}  {part.error or part.detail}{'' if part.error else remains}"


def _progress(part: Part) -> str:
    spent = time.monotonic() - part.began
    left = max(0, part.seconds - int(spent))
    return f"{part.name}: {part.doing or 'working'}, {spent:.0f} s" + (f", about {left} s left" if left else "")


def main() -> int:
    """Set up, and print one line a part."""
    plan = parts()
    first = not (work.STATE / "packer.stamp").exists()
    if first:
        print("Setting up: tools at pinned versions into .venv and build/, Docker, base image. About 5 min the first time, 1 s later.", flush=True)
    began = time.monotonic()
    lines: list[str] = []

    def say(line: str) -> None:
        lines.append(line)
        if first or time.monotonic() - began > 2:
            print("\n".join(lines), flush=True)
            lines.clear()

    ok = run(plan, say)
    if not ok:
        print("\n".join(lines), file=sys.stderr)
        print("\n".join(part.error for part in plan if part.error), file=sys.stderr)
        return 1
    print(f"  {time.monotonic() - began:6.1f} s  setup       ready", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
