"""`make jenkins`: builds and runs the real thing where an image registry is at hand, and looks whether it is whole.

`python -m tools.jenkins plugins` pins what roles/jenkins/files/plugins.in asks for, dependencies included.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
import shlex
import shutil
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

from tools import checkout, work

ROLE = checkout.ROOT / "roles" / "jenkins"
PLUGINS = ROLE / "files" / "etc" / "jenkins" / "controller" / "plugins.txt"
JOBS = checkout.ROOT / "jenkins" / "jobs.groovy"
FOLDER = checkout.BUILD / "jenkins"
NAME = f"{checkout.prefix()}-jenkins"
WAIT = 300.0
# What a user of the role must say, and what Ansible knows of a machine.
GIVEN = {
    "jenkins_phase": "live",
    "jenkins_url": "https://jenkins.example.org/",
    "jenkins_repository": "https://git.example.org/twine.git",
    "jenkins_notify": "ops@example.org",
    "jenkins_users": [{"name": "ada", "may": "approve"}, {"name": "eve", "may": "administer"}],
    "ansible_facts": {"getent_group": {"docker": ["x", "115", ""]}},
    "ansible_managed": "Rendered by tools/jenkins.py",
}


def variables(**changes: Any) -> dict[str, Any]:
    """Return the role's variables, as a user sets them who sets what must be set."""
    found: dict[str, Any] = {}
    for part in ("defaults", "vars"):
        found |= _trusted(yaml.safe_load((ROLE / part / "main.yml").read_text()))
    return {**found, **GIVEN, **changes}


def rendered(template: str, **changes: Any) -> str:
    """Return what the role writes of one of its templates."""
    templar = Templar(loader=DataLoader(), variables=variables(**changes))
    return str(templar.template(trust_as_template((ROLE / "templates" / f"{template}.j2").read_text())))


def _trusted(value: Any) -> Any:
    """Mark values of our own files as templates that may be filled in."""
    if isinstance(value, dict):
        return {key: _trusted(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_trusted(inner) for inner in value]
    return trust_as_template(value) if isinstance(value, str) else value


def command(unit: str, folder: Path, image: str) -> list[str]:
    """Return the unit's `docker run`, but detached, with files of a folder, a port that is free and this checkout's names."""
    line = next(line for line in unit.replace("\\\n", " ").splitlines() if line.startswith("ExecStart="))
    words = shlex.split(line.removeprefix("ExecStart="))
    for at, word in enumerate(words):
        if words[at - 1] == "--volume":
            outside, inside = word.split(":", 1)
            moved = outside.replace("/etc/jenkins", str(folder)).replace("/var/lib/jenkins", str(folder))
            words[at] = f"{moved}:{inside}"
        elif words[at - 1] == "--publish":
            words[at] = "127.0.0.1::8080"
        elif words[at - 1] == "--name":
            words[at] = NAME
    return ["docker", "run", "--detach", "--label", checkout.label(), *words[2:-1], image]


def jobs() -> set[str]:
    """Return the names of the jobs that jobs.groovy makes."""
    return set(re.findall(r"^verb\('(\w+)'", JOBS.read_text(), re.MULTILINE))


def resulting(listed: str) -> list[str]:
    """Return NAME:VERSION of each plugin that `jenkins-plugin-cli --list` ends with."""
    _before, found, after = listed.partition("Resulting plugin list:\n")
    lines = [line.split() for line in after.splitlines()]
    pinned = sorted(f"{words[0]}:{words[1]}" for words in lines if len(words) == 2)
    if not found or not pinned:
        raise work.Failed("Failed to pin the plugins: jenkins-plugin-cli gave no list. Run it by hand in the image of jenkins_image.")
    return pinned


def pull(image: str) -> str:
    """Pull an image; return why that failed, or nothing."""
    answer = work.attempt(["docker", "pull", "--quiet", image], timeout=900)
    return "" if answer.returncode == 0 else (answer.stderr.strip().splitlines() or ["no answer"])[-1]


def pin() -> int:
    """Write plugins.txt anew, from what the update centre has for this version of Jenkins."""
    image = variables()["jenkins_image"]
    if reason := pull(image):
        raise work.Failed(f"Failed to pin the plugins: {image} can't be pulled ({reason}). Run it where an image registry is at hand.")
    mount = f"--volume={ROLE / 'files' / 'plugins.in'}:/plugins.txt:ro"
    words = ["docker", "run", "--rm", f"--label={checkout.label()}", mount, image, "jenkins-plugin-cli", "--plugin-file", "/plugins.txt"]
    answer = work.attempt([*words, "--no-download", "--list"], timeout=300)
    head = PLUGINS.read_text().splitlines()[0]
    work.replace_text(PLUGINS, "\n".join([head, *resulting(answer.stdout)]) + "\n")
    print(f"Pinned {len(resulting(answer.stdout))} plugins in {PLUGINS.relative_to(checkout.ROOT)}.")
    return 0


def lay_out(passwords: dict[str, str]) -> None:
    """Write into build/jenkins what the role writes into /etc/jenkins."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    group = str(Path("/var/run/docker.sock").stat().st_gid)
    changes = {"jenkins_secrets": passwords, "ansible_facts": {"getent_group": {"docker": ["x", group, ""]}}}
    for name in ("controller/Dockerfile", "agent/Dockerfile", "casc/jenkins.yaml"):
        work.replace_text(FOLDER / name, rendered(f"etc/jenkins/{name}", **changes))
    work.replace_text(FOLDER / "jenkins.service", rendered("etc/systemd/system/jenkins.service", **changes))
    shutil.copy2(PLUGINS, FOLDER / "controller" / "plugins.txt")
    shutil.copy2(JOBS, FOLDER / "casc" / "jobs.groovy")
    for name, password in passwords.items():
        work.replace_text(FOLDER / "secrets" / "controller" / name, password)
    # The container's user is another; this Jenkins and its passwords go in a minute.
    (FOLDER / "builds").mkdir(mode=0o777)
    (FOLDER / "builds").chmod(0o777)


def look(address: str, password: str) -> list[str]:
    """Return what is wrong with the Jenkins at an address; waits until it answers."""
    deadline = time.monotonic() + WAIT
    while not _ask(f"{address}/login"):
        if time.monotonic() > deadline:
            return [f"its login page does not show within {WAIT:.0f} s"]
        time.sleep(2)
    token = base64.b64encode(f"eve:{password}".encode()).decode()
    found = json.loads(_ask(f"{address}/api/json?tree=jobs[name],numExecutors", {"Authorization": f"Basic {token}"}) or "{}")
    made = {job["name"] for job in found.get("jobs", [])}
    problems = [f"it has the jobs {', '.join(sorted(made)) or 'none'}, not {', '.join(sorted(jobs()))}"] if made != jobs() else []
    problems += ["its controller has executors"] if found.get("numExecutors") != 0 else []
    return problems + (["a stranger reads its jobs"] if _ask(f"{address}/api/json") else [])


def _ask(url: str, headers: dict[str, str] | None = None) -> str:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers or {}), timeout=10) as answer:
            return str(answer.read().decode())
    except (OSError, urllib.error.URLError):
        return ""


def smoke() -> int:
    """Build and run it, look, and remove it."""
    if reason := pull(variables()["jenkins_image"]) or pull(variables()["jenkins_agent_image"]):
        print(f"skipped: no image registry ({reason})")
        return 0
    passwords = {f"user_{user['name']}": secrets.token_urlsafe() for user in variables()["jenkins_users"]}
    lay_out(passwords)
    for part in ("agent", "controller"):
        tag = f"{checkout.prefix()}/jenkins-{part}"
        words = ["docker", "build", "--force-rm", "--quiet", "--label", checkout.label(), "--tag", tag, str(FOLDER / part)]
        work.run(f"build the {part}'s image", words, log="jenkins", remedy="If a plugin is not found, run `make jenkins-plugins`.")
    try:
        image = f"{checkout.prefix()}/jenkins-controller"
        work.run("start Jenkins", command((FOLDER / "jenkins.service").read_text(), FOLDER, image), log="jenkins", remedy="Read the log.")
        port = work.attempt(["docker", "port", NAME, "8080/tcp"]).stdout.splitlines()[0]
        if problems := look(f"http://{port}", passwords["user_eve"]):
            said = work.attempt(["docker", "logs", NAME])
            work.replace_text(FOLDER / "log", said.stdout + said.stderr)
            raise work.Failed(f"Failed to find Jenkins whole: {'; '.join(problems)}. Read {(FOLDER / 'log').relative_to(checkout.ROOT)}.")
    finally:
        work.attempt(["docker", "rm", "--force", "--volumes", NAME])
    print(f"Jenkins is whole: its login page shows, its jobs are {', '.join(sorted(jobs()))}, nothing is built on the controller.")
    return 0


def main(arguments: list[str]) -> int:
    """Run the smoke test, or pin the plugins."""
    try:
        return pin() if arguments == ["plugins"] else smoke()
    except work.Failed as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
