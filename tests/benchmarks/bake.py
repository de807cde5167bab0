"""P4: a bake that has nothing to do decides so at once; one that has takes little longer than a shell's; and the image is no larger.

`bake_image.yml` runs whole, its own start and the manifest included. What moves its inputs is a copy of the estate with one variable changed.
The floor starts a container of the base image on the same network, installs, copies, warms and seals by plain shell, and commits.
"""

from __future__ import annotations

import json
import shutil
import statistics
import time
from functools import partial
from pathlib import Path

import yaml

from tests.benchmarks import floor
from tests.benchmarks.converge import play
from tests.benchmarks.machines import BASE, BenchmarkError, clean, discard, in_image, in_turns, name_of, options, output, sh, timed
from tests.benchmarks.rows import Row
from tools import checkout

TIMES = 3
IMAGE = f"{checkout.prefix()}/benchmark:floor"
# Two folders below the checkout, as the estate itself: its files find the checkout from there.
ESTATE = checkout.ROOT / "inventories" / "local"
COPY = checkout.BUILD / "bench_estate"
RECORD = checkout.BUILD / "images" / "twine.json"
ROLE = checkout.ROOT / "roles" / "image"
WARM = """
install -d -o twine -g twine /var/cache/twine
runuser -u twine -- twine warm > /dev/null
"""


def rows() -> list[Row]:
    """Measure the decision, then bake and floor in turns."""
    with clean():
        _bake(ESTATE)
        decision = statistics.median(timed(partial(_bake, ESTATE)) for _time in range(TIMES))
        try:
            return [Row("P4 decision", "nothing moved: `make bake` decides", decision, 3.0, "s"), *_changed()]
        finally:
            shutil.rmtree(COPY, ignore_errors=True)
            output(["docker", "image", "rm", "--force", IMAGE], f"remove image {IMAGE}")
            # The record names the real image again.
            _bake(ESTATE)


def _changed() -> list[Row]:
    image = str(_record()["docker_image"])
    made = floor.recipe(partial(in_image, BASE), partial(in_image, image))
    first = _floor(made)
    if wrong := floor.differences(floor.state(partial(in_image, image)), floor.state(partial(in_image, IMAGE))):
        raise BenchmarkError(
            f"Failed to compare the bake with the floor: they end differently, {'; '.join(wrong[:5])}. Mend tests/benchmarks/floor.py."
        )
    ours, plain = in_turns(TIMES, _moved, partial(_floor, made))
    mine, bare = statistics.median(ours), statistics.median([first, *plain])
    size, least = _size(image), _size(IMAGE)
    return [
        Row("P4 bake", f"image twine baked in {mine:.1f} s", mine / bare, 1.25, "×", f"plain shell: {bare:.1f} s"),
        Row("P4 size", f"image twine, {size / 2**20:.0f} MiB", size / least, 1.1, "×", f"plain shell: {least / 2**20:.0f} MiB"),
    ]


def _record() -> dict[str, object]:
    found: dict[str, object] = json.loads(RECORD.read_text())
    return found


def _size(image: str) -> int:
    return int(output(["docker", "image", "inspect", "--format", "{{.Size}}", image], f"ask for the size of {image}"))


def _bake(estate: Path) -> None:
    play("playbooks/bake_image.yml", (estate,), "-e", "images=twine")


def _moved() -> float:
    """Seconds of a bake of which one input moved; its image is removed."""
    shutil.rmtree(COPY, ignore_errors=True)
    shutil.copytree(ESTATE, COPY)
    # A variable that a role takes, for no other is an input; another value each time.
    days = 1000 + int(time.time()) % 100_000
    (COPY / "group_vars" / "all" / "benchmark.yml").write_text(f"---\ncommon_journal_retention: {days}day\n")
    before = _record()["docker_image"]
    seconds = timed(partial(_bake, COPY))
    image = str(_record()["docker_image"])
    if image == before:
        raise BenchmarkError("Failed to measure a bake: nothing was baked, though a variable moved. Read build/bench/bake_image.log.")
    output(["docker", "image", "rm", "--force", image], f"remove image {image}")
    return seconds


def _floor(made: floor.Recipe) -> float:
    """Seconds of the same by plain shell; leaves image `IMAGE`."""
    name = name_of("bake")
    unwanted = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text())["image_unwanted"]
    began = time.monotonic()
    network = f"{checkout.prefix()}-bake"
    output(["docker", "run", "--detach", "--interactive", *options("bake", network), "--entrypoint", "/bin/sh", BASE], "start the floor's bake")
    sh(name, floor.install(made, upgrade=True), made.early)
    sh(name, floor.configure(made) + WARM, made.files)
    seal = ["docker", "exec", "--interactive", name, "bash", "-s", "--", *unwanted]
    output(seal, "seal the floor's bake", (ROLE / "files" / "seal").read_bytes())
    output(["docker", "commit", name, IMAGE], "commit the floor's bake")
    discard(name)
    return time.monotonic() - began
