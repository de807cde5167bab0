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
    if version := on_path():
        for program in PROGRAMS:
            (checkout.BINARIES / program).unlink(missing_ok=True)
        return f"{version} on PATH"
    image = f"{checkout.prefix()}/java:{work.pins()['base']['suite']}"
    command: work.Words = ["docker", "build", "--quiet", "--tag", image, "-"]
    work.run("build the image with Java and Maven", command, log="java", stdin=dockerfile(), remedy=REMEDY)
    (Path.home() / ".m2").mkdir(exist_ok=True)
    for program in PROGRAMS:
        write(program, image)
    return f"in a container of {image}"


def on_path() -> str:
    """Return the version of the Java on PATH (not ours in build/), if Groovy of Jenkins' pipelines runs on it and Maven is there, too."""
    folders = os.pathsep.join(folder for folder in os.get_exec_path() if Path(folder) != checkout.BINARIES)
    java, maven = (shutil.which(program, path=folders) for program in PROGRAMS)
    pins = work.pins()["java"]
    version = work.version_of([java, "--version"]) if java else ()
    fits = work.as_version(pins["minimum"]) <= version[:1] <= work.as_version(pins["maximum"])
    return ".".join(map(str, version)) if fits and maven and work.attempt([maven, "--version"]).returncode == 0 else ""


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
