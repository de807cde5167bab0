"""Java and Maven, by which sources of packages are fetched and pipelines are tested: from PATH, or in a container of our base image."""

from __future__ import annotations

import os
import shlex
import shutil
import tempfile
from pathlib import Path

from tools import checkout, work

PROGRAMS = ("java", "mvn")
REMEDY = "Check that containers reach Debian's archive, or install Java (11 to 17) and Maven."
# Both see the checkout, the folder for temporary files and Maven's own settings and downloads, all under their usual paths.
SCRIPT = """#!/bin/sh
exec docker run --rm --interactive --network host --user "$(id -u):$(id -g)" --label {label} \\
    --env HOME --env MAVEN_OPTS="-Duser.home=$HOME $MAVEN_OPTS" --workdir "$PWD" \\
    --volume "$HOME/.m2:$HOME/.m2" --volume {root}:{root} --volume {temporary}:{temporary} {image} {program} "$@"
"""


def ensure() -> str:
    """Make sure that `java` and `mvn` run, and say where they are."""
    found = located()
    stamp = work.Stamp("java", work.digest(work.pins()["java"], list(map(str, found))), found)
    if len(found) == len(PROGRAMS) and (stamp.fresh() or fit(*found)):
        stamp.write()
        for program in PROGRAMS:
            (checkout.BINARIES / program).unlink(missing_ok=True)
        return f"{found[0]} and {found[1]}"
    image = f"{checkout.prefix()}/java:{work.pins()['base']['suite']}"
    command: work.Words = ["docker", "build", "--force-rm", "--quiet", "--tag", image, "-"]
    work.run("build the image with Java and Maven", command, log="java", stdin=dockerfile(), remedy=REMEDY)
    (Path.home() / ".m2").mkdir(exist_ok=True)
    for program in PROGRAMS:
        write(program, image)
    return f"in a container of {image}"


def located() -> list[Path]:
    """Return those of the programs that are on PATH (not ours in build/)."""
    folders = os.pathsep.join(folder for folder in os.get_exec_path() if Path(folder) != checkout.BINARIES)
    return [Path(found) for program in PROGRAMS if (found := shutil.which(program, path=folders))]


def fit(java: Path, maven: Path) -> bool:
    """Say whether the Groovy of Jenkins' pipelines runs on that Java, and Maven runs at all."""
    pins = work.pins()["java"]
    version = work.version_of([java, "--version"])[:1]
    return work.as_version(pins["minimum"]) <= version <= work.as_version(pins["maximum"]) and work.attempt([maven, "--version"]).returncode == 0


def dockerfile() -> str:
    """Return what the image is made of."""
    pins = work.pins()
    packages = " ".join(pins["java"]["packages"])
    return (
        f"FROM {pins['base']['image']}\nLABEL {checkout.label()}\n"
        f"RUN apt-get update && apt-get install -y --no-install-recommends {packages} && rm -rf /var/lib/apt/lists/*\n"
    )


def write(program: str, image: str, folder: Path = checkout.BINARIES) -> Path:
    """Write a program that runs in the container as if it were here, and return its path."""
    words = {"root": checkout.ROOT, "temporary": tempfile.gettempdir(), "image": image, "program": program, "label": checkout.label()}
    work.replace_text(folder / program, SCRIPT.format(**{name: shlex.quote(str(word)) for name, word in words.items()}))
    (folder / program).chmod(0o755)
    return folder / program
