"""``python -m demo``: tells the whole story on one machine and leaves the application running."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo import build_steps, live_steps, report
from demo.console import Teller
from demo.estate import Estate
from demo.load import Load
from demo.playbook import ROOT, Playbooks, StepFailed
from demo.timeline import Watch
from demo.verdict import broken
from demo.world import World
from tools import checkout

FOLDER = ROOT / "build" / "demo"


@dataclass(frozen=True, slots=True)
class Step:
    """A step: the key of its conditions, its title, what it proves, and what does it."""

    name: str
    title: str
    proves: str
    tell: Callable[[World], tuple[dict[str, Any], str]]


STEPS = [
    Step(
        "packages",
        "Packages built",
        "The unit of delivery is a Debian package, built in a clean container from pinned sources.",
        build_steps.packages,
    ),
    Step(
        "repository",
        "Published, signed",
        "Machines install only what the signed, immutable snapshot holds; a wrong key is refused.",
        build_steps.repository,
    ),
    Step("images", "Images baked", "A machine is a copy of an image; the same inputs are never baked twice.", build_steps.images),
    Step(
        "stacks",
        "Four accounts deployed",
        "Everything that exists is described by a template, and a second plan finds nothing to change.",
        build_steps.stacks,
    ),
    Step("serving", "Twine answers", "A person can log in, file a claim and find it, through the load balancer.", build_steps.serving),
    Step(
        "only_way_in",
        "The bastion is the way in",
        "SSH reaches the machines from the bastion's network and from nowhere else.",
        build_steps.only_way_in,
    ),
    Step("kill", "A machine is killed", "The group replaces what dies, by itself.", live_steps.kill),
    Step("spike", "One client's rush", "The group grows by its policy, and the other clients' requests do not fail.", live_steps.spike),
    Step("rollout", "A release rolls out", "A new version goes the whole way, under load, and no user notices.", live_steps.rollout),
    Step("scale_in", "Scaled in again", "The group shrinks when the load is gone, and drains before it stops a machine.", live_steps.scale_in),
]


def tell(world: World, story: report.Story, teller: Teller, steps: list[Step]) -> bool:
    """Tells ``steps`` in order and stops at the first that could not be done; whether all of them are true."""
    for number, step in enumerate(steps, 1):
        begun = time.time()
        try:
            with teller.telling(step.name, step.title):
                facts, says = step.tell(world)
            false = broken(step.name, facts)
        except StepFailed as error:
            facts, says, false = {}, "", [str(error)]
        result = report.StepResult(step.name, step.title, step.proves, time.time() - begun, facts, false)
        story.steps.append(result)
        teller.told(number, result, says)
        if not facts:
            return False
        if step.name == "serving":
            begin_load(world)
    return all(step.ok for step in story.steps)


def begin_load(world: World) -> None:
    """From the moment the application answers, users use it and the machines are counted."""
    world.load = Load(world.url, world.run).__enter__()
    world.watch = Watch(world.by_release).__enter__()
    live_steps.calm(world)


def end_load(world: World, story: report.Story) -> None:
    """Stops load and watch, and keeps what they saw."""
    if world.load and world.watch:
        world.load.__exit__()
        world.watch.__exit__()
        story.samples, story.counts, story.marks = world.load.samples, world.watch.counts, world.watch.marks
        story.url = world.url


def endpoint() -> str:
    """The address of this checkout's local cloud."""
    return f"http://127.0.0.1:{checkout.ports()['cloud']}"


def main() -> int:
    """Tells the story; the exit code is 0 only if every step is true."""
    parser = argparse.ArgumentParser(prog="demo", description=__doc__)
    parser.add_argument(
        "--clock-factor", type=float, default=float(os.environ.get("CLOCK_FACTOR", "10")), help="divides AWS's own waits (default: 10)"
    )
    parser.add_argument("--until", choices=[step.name for step in STEPS], default=STEPS[-1].name, help="stop after this step (default: the last)")
    parser.add_argument("--report", type=Path, default=FOLDER, help="folder of report.html and report.json (default: build/demo)")
    arguments = parser.parse_args()
    factor = arguments.clock_factor
    steps = STEPS[: 1 + [step.name for step in STEPS].index(arguments.until)]
    os.environ["CLOCK_FACTOR"] = f"{factor:g}"
    os.environ["AWS_ENDPOINT_URL"] = endpoint()
    os.environ["AWS_SHARED_CREDENTIALS_FILE"] = str(ROOT / "build" / "local_cloud" / "credentials")
    teller = Teller(FOLDER / "durations.json")
    world = World(Playbooks(FOLDER / "logs", {}), Estate(os.environ["AWS_ENDPOINT_URL"]))
    story = report.Story(clock_factor=factor, begun=time.time())
    teller.console.print(
        f"The whole way on this machine, about {teller.whole() / 60:.0f} minutes. AWS's own waits run {factor:g} times faster than there.\n"
    )
    try:
        true = tell(world, story, teller, steps)
    finally:
        end_load(world, story)
        report.write(story, arguments.report)
    teller.record(story.steps)
    verdict = "[green]Every step is true.[/]" if true else "[red]Not every step is true.[/]"
    teller.console.print(f"\n{verdict} {sum(step.seconds for step in story.steps):.0f} s. Report: {os.path.relpath(arguments.report)}/report.html")
    if world.url:
        teller.console.print(
            f"Twine runs at [bold]{world.url}[/] (client-2, staff-1@client-2.example, password {world.password}). make down ends it."
        )
    return 0 if true else 1


if __name__ == "__main__":
    sys.exit(main())
