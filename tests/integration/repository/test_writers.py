"""Two people publish at once from two places, and one prunes, with real playbooks over Ansible's connection, while a client updates all the time."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import sys
from dataclasses import asdict, dataclass
from itertools import dropwhile
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support import small_debs
from tools import checkout

from .conftest import FOLDER, MACHINE, answer, docker, inside, start, updating, words
from .inside import KEY

ROOT = f"{FOLDER}/own"
APTLY = ["exec", MACHINE, "runuser", "-u", "aptly", "--", "aptly", f"-config={ROOT}/aptly.conf"]
# What Ansible brings to the machine finds this folder in the place of the machine's own repository, which has no part in it.
PYTHON = f"""#!/bin/sh
exec unshare --mount sh -c 'mount --bind {ROOT} /var/lib/aptly && exec python3 "$@"' sh "$@"
"""
PUBLISH = """
- hosts: aptly
  gather_facts: false
  tasks:
    - ansible.builtin.include_role: {name: twine.platform.aptly, tasks_from: publish}
      vars: {aptly_packages: ["{{ package }}"]}
      loop: "{{ packages }}"
      loop_control: {loop_var: package}
"""
VERSIONS = ("1.0", "1.1")
USER = pwd.getpwuid(os.getuid()).pw_name
WHO = {"here": f"{USER}@{os.uname().nodename}", "elsewhere": f"{USER}@elsewhere"}


def playbook(path: Path, *options: str, **variables: Any) -> list[str]:
    given = {"ansible_python_interpreter": f"{FOLDER}/python", "aptly_key_email": KEY, "aptly_mirror_suites": [], **variables}
    command = [Path(sys.executable).parent / "ansible-playbook", "-i", "inventories/local/repository.yml", path, *options]
    return [*map(str, command), "--extra-vars", json.dumps(given)]


def elsewhere(command: list[str]) -> list[str]:
    """The command, run by this user on this machine's files, but in another container, which is called so."""
    who = [f"--userspec={os.getuid()}:{os.getgid()}", f"--groups={','.join(map(str, os.getgroups()))}"]
    container = ["docker", "run", "--rm", "--hostname=elsewhere", f"--label={checkout.label()}", "--volume=/:/host", "twine/base:bookworm"]
    environment = ["env", f"--chdir={checkout.ROOT}", f"HOME={Path.home()}", f"PATH={os.environ['PATH']}", "LC_ALL=C.UTF-8"]
    return [*container, "chroot", *who, "/host", *environment, *command]


def begin(command: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(command, cwd=checkout.ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def said(process: subprocess.Popen[str]) -> str:
    out = " ".join(process.communicate(timeout=180)[0].split())
    assert process.returncode == 0, out[-3000:]
    return out


@dataclass(frozen=True)
class State:
    """The repository at a moment: its snapshots by what they hold, and all files."""

    snapshots: dict[str, str]
    files: list[str]

    def debs(self, folder: str) -> set[str]:
        names = [line.split()[0] for line in self.files if line.startswith(f"{ROOT}/{folder}/") and ".deb " in line]
        return {name.rpartition("/")[2].removesuffix("_all.deb") for name in names}


def state() -> State:
    names = docker(*APTLY, "snapshot", "list", "-raw").split()
    held = {docker(*APTLY, "snapshot", "search", "-format={{.Package}}_{{.Version}}", name).strip(): name for name in names}
    folders = [f"{ROOT}/{folder}" for folder in ("pool", "public", "complete")]
    return State(held, sorted(docker("exec", MACHINE, "find", *folders, "-printf", "%p %l %s %T@\\n").splitlines()))


@dataclass(frozen=True)
class Told:
    """What both were told; what was shown then, and what a release named; what prunes said, and left; what the client has seen."""

    people: dict[str, str]
    shown: str
    released: str
    prunes: list[str]
    states: list[State]
    seen: list[list[str]]


def publish(folder: Path) -> dict[str, str]:
    """Both publish two versions of a package of their own; somebody has the turn until both wait."""
    (folder / "publish.yml").write_text(PUBLISH)
    holder = start("hold", ROOT, "2")
    assert holder.stdout and holder.stdout.readline() == "held\n"
    people = {}
    for place in WHO:
        debs = [small_debs.write(folder, place, version) for version in VERSIONS]
        packages = [asdict(deb) | {"file": deb.file_name} for deb in debs]
        command = playbook(folder / "publish.yml", packages=packages, aptly_packages_folder=str(folder))
        people[place] = begin(command if place == "here" else elsewhere(command))
    heard = {place: said(process) for place, process in people.items()}
    answer(holder)
    return heard


@pytest.fixture(scope="module")
def told(machine: None, tmp_path_factory: pytest.TempPathFactory) -> Told:
    """They publish; then one prunes, first to see. A release names one of the two that were published last, and the other is shown."""
    folder = tmp_path_factory.mktemp("writers")
    (folder / "python").write_text(PYTHON)
    (folder / "python").chmod(0o755)
    docker("cp", f"{folder}/python", f"{MACHINE}:{FOLDER}/python")
    key = inside("prepare", ROOT, "aptly")
    with updating(ROOT, key) as seen:
        people, prunes, states = publish(folder), [], [state()]
        shown = inside("read", ROOT)["seen"][0].removesuffix("_all")
        [released] = {f"{place}_{VERSIONS[-1]}" for place in WHO} - {shown}
        releases = folder / "releases"
        releases.mkdir()
        (releases / "released.yml").write_text(yaml.safe_dump({"name": "released", "snapshot": states[0].snapshots[released]}))
        for options in (["--check", "--diff"], []):
            prunes.append(said(begin(playbook(Path("playbooks/prune.yml"), *options, releases_folder=str(releases)))))
            states.append(state())
    return Told(people, shown, released, prunes, states, seen)


def test_who_publishes_at_the_same_time_is_told_for_whom_and_from_where_and_nothing_is_lost(told: Told) -> None:
    others = zip(told.people.values(), reversed(WHO.values()), strict=True)
    assert any(f") of {other}." in heard for heard, other in others), told.people
    assert set(told.states[0].snapshots) == told.states[0].debs("public") == {f"{place}_{version}" for place in WHO for version in VERSIONS}


def test_a_prune_says_first_what_goes_and_writes_nothing(told: Told) -> None:
    assert "2 snapshots would go, 2 stay for 1 releases" in told.prunes[0]
    assert told.states[1] == told.states[0]


def test_what_no_release_reaches_goes_with_its_files(told: Told) -> None:
    assert "2 snapshots went, 2 stay for 1 releases" in told.prunes[1]
    left = told.states[2]
    assert set(left.snapshots) == {name.partition("_")[2] for name in left.debs("pool")} == {told.released, told.shown}
    assert left.debs("public") == {told.shown}


def test_the_client_sees_one_whole_index_after_the_other(told: Told) -> None:
    """From the first one that was published."""
    known = list(dropwhile(lambda one: one[0] == "FAILED", told.seen))
    assert len(known) > 3 and known[-1] == words([told.shown])
    assert [one for one in known if one not in [words([label]) for label in told.states[0].snapshots]] == []
