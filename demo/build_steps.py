"""The first half of the story: from packages to an application that answers. Each step returns its facts and a sentence."""

from __future__ import annotations

import asyncio
import hashlib
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from demo.estate import released_images, wait_for
from demo.load import User
from demo.playbook import ROOT, StepFailed, load_json
from demo.world import BUILD, CLIENTS, STAFF_EACH, World, file_claim, find_claim, log_in, seed, wait_until_serving
from demo.world import answer as ask
from tools import checkout

IMAGES = ["twine", "elasticsearch", "bastion"]
FIRST = ["dev", "bastion/access", "bastion/network"]
"""The stacks of dev and what they stand on."""
Told = tuple[dict[str, Any], str]


def packages(world: World, versions: dict[str, str] | None = None) -> Told:
    """Builds every package that is defined, or finds it built already; the repository machine is converged first, once."""
    if versions is None:
        world.playbooks.run("repository")
    world.playbooks.run("build_packages", package_versions=versions or _as_released())
    defined = len(list((ROOT / "packages").glob("*/package.yml")))
    debs = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted((BUILD / "packages").glob("*.deb"))}
    names = {name.split("_")[0] for name in debs}
    facts = {
        "defined": defined,
        "built": len(names),
        "digests": len({name.split("_")[0] for name, digest in debs.items() if digest}),
        "packages": sorted(debs),
    }
    return facts, f"{len(names)} packages built by Debian's own tools in clean containers"


def _as_released() -> dict[str, str]:
    """The version of the application that was released last on this machine: the story goes on from there."""
    path = BUILD / "releases" / "snapshot.json"
    return {"twine": load_json(path)["packages"]["twine"]["version"].split("-")[0]} if path.exists() else {}


def repository(world: World) -> Told:
    """Publishes them as a signed snapshot, and tries to be fooled by a key that did not sign it."""
    world.playbooks.run("publish_packages")
    record = load_json(BUILD / "releases" / "snapshot.json")
    built = {path.name.split("_")[0] for path in (BUILD / "packages").glob("*.deb")}
    published = set(record["packages"])
    refused = _wrong_key_refused()
    facts = {"snapshot": record["snapshot"], "built": len(built), "published": len(published & built), "bad_signature_refused": refused}
    return facts, f"snapshot {record['snapshot']}, signed, read back as a client"


def _wrong_key_refused() -> bool:
    """Whether apt refuses our repository when it is told to trust another key than the one that signed it."""
    source = "Types: deb\nURIs: http://repository/\nSuites: bookworm\nComponents: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n"
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "other.sources").write_text(source)
        command = ["docker", "run", "--rm", "--network", f"{checkout.prefix()}-build", "--label", checkout.label()]
        command += ["-v", f"{folder}:/sources:ro", "twine/base:bookworm", "apt-get", "update", "--error-on=any"]
        command += ["-o", "Dir::Etc::sourcelist=/dev/null", "-o", "Dir::Etc::sourceparts=/sources"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode != 0 and bool(re.search(r"NO_PUBKEY|not signed", done.stdout + done.stderr))


def images(world: World) -> Told:
    """Bakes the images whose inputs changed, then asks again: nothing may be left to bake."""
    world.playbooks.run("bake_image", images=IMAGES)
    first = {role: load_json(BUILD / "images" / f"{role}.json")["image_id"] for role in IMAGES}
    world.playbooks.run("bake_image", images=IMAGES)
    second = {role: load_json(BUILD / "images" / f"{role}.json") for role in IMAGES}
    world.playbooks.run("release")
    again = sum(first[role] != second[role]["image_id"] for role in IMAGES)
    facts = {"defined": len(IMAGES), "images": len(second), "baked_again": again, "keys": {role: second[role]["bake_key"] for role in IMAGES}}
    return facts, f"{len(second)} images by Packer, asked twice: nothing left to bake"


def stacks(world: World) -> Told:
    """Describes everything in four accounts, in parallel, and finds nothing left to change."""
    done = subprocess.run([sys.executable, "-m", "local_cloud", "up"], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise StepFailed(f"Failed to start the local cloud: {(done.stderr or done.stdout).strip()[-800:]}. Run make down, then try again.")
    # What prod runs, dev has run before, and somebody has signed it.
    world.playbooks.run("deploy", only=FIRST)
    world.playbooks.run("promote")
    world.playbooks.run("deploy")
    states: dict[str, list[str]] = {}
    for account in ("dev", "prod", "bastion", "dns"):
        rows = world.estate.client(account, "cloudformation").describe_stacks()["Stacks"]
        states[account] = [row["StackStatus"] for row in rows]
    every = [state for listed in states.values() for state in listed]
    complete = sum(state in ("CREATE_COMPLETE", "UPDATE_COMPLETE") for state in every)
    recap = re.findall(r"changed=(\d+)", world.playbooks.run("plan"))
    # The bastion is one for all: dev has no machine of its image.
    images = {image for role, image in released_images(BUILD / "releases").items() if role != "bastion"}
    facts = {
        "stacks": len(every),
        "complete": complete,
        "accounts": sum(bool(listed) for listed in states.values()),
        "changes_left": sum(map(int, recap)),
        "images_to_try": len(images),
        "images_tried": len(images & {load_json(path)["image"] for path in (BUILD / "releases" / "boots").glob("*.json")}),
    }
    return facts, f"{complete} stacks in four accounts, a second plan is empty"


def serving(world: World) -> Told:
    """Logs in, files a claim and finds it, as a person would; then logs in the users of the load to come."""
    world.url = world.estate.url(world.environment)
    wait_until_serving(world, 2, 180)
    seed(world)
    facts = asyncio.run(_first_visit(world))
    asyncio.run(_log_everybody_in(world))
    return facts, f"{world.url} answers: log in, file a claim, find it by search"


async def _first_visit(world: World) -> dict[str, Any]:
    page, _body, _cookie = await ask(world.url, "GET", "/login")
    status, cookie = await log_in(world, "client-2", "staff-1@client-2.example")
    reference = f"{world.run}-first"
    filed = await file_claim(world, cookie, reference)
    found, degraded = await _find_soon(world, cookie, reference)
    return {"page": page, "login": status, "filed": filed, "found": found, "degraded": degraded}


async def _find_soon(world: World, cookie: str, reference: str) -> tuple[bool, bool]:
    """Search follows the database within a second or two, once its node has started: asks until it does, two minutes at most."""
    for _attempt in range(600):
        found, degraded = await find_claim(world, cookie, reference)
        if found and not degraded:
            break
        await asyncio.sleep(0.2)
    return found, degraded


async def _log_everybody_in(world: World) -> None:
    for client in (f"client-{number}" for number in range(1, CLIENTS + 1)):
        for email in (f"staff-{number}@{client}.example" for number in range(1, STAFF_EACH + 1)):
            status, cookie = await log_in(world, client, email)
            reference = f"{world.run}-known-{email.split('@')[0]}-{client}"
            filed = await file_claim(world, cookie, reference)
            if status != 200 or filed != 201:
                raise StepFailed(f"Failed to prepare {email}: log-in answered {status}, the first claim {filed}. Read the application's log.")
            world.users.append(User(client, email, cookie, reference))
    await _find_soon(world, world.users[-1].cookie, world.users[-1].known)


PROBE = "import socket, sys\nfor host in sys.argv[1:]:\n s = socket.socket(); s.settimeout(1)\n print(host, s.connect_ex((host, 22)))"


def only_way_in(world: World) -> Told:
    """Tries every machine's SSH from the bastion, from dev and from a neighbour in prod."""
    listed = world.estate.addresses()["instances"]
    running = [row for row in listed if row["state"] == "running"]
    prod = [row for row in running if row["account"] == "prod"]
    targets = [row["ip"] for row in prod]
    bastion = next(row["id"] for row in running if row["account"] == "bastion")
    dev = next(row["id"] for row in running if row["account"] == "dev")
    neighbour = world.estate.serving("prod")[0].id
    own = next(row["ip"] for row in prod if row["id"] == neighbour)
    wait_for("the bastion's way to every machine", 30, lambda: len(_reached(world, bastion, targets)) == len(targets))
    facts = {
        "machines": len(targets),
        "from_bastion": len(_reached(world, bastion, targets)),
        "from_dev": len(_reached(world, dev, targets)),
        "from_neighbour": len(_reached(world, neighbour, [ip for ip in targets if ip != own])),
    }
    return facts, f"port 22 of {len(targets)} machines: open from the bastion, closed from everywhere else tried"


def _reached(world: World, instance: str, targets: list[str]) -> list[str]:
    code, output = world.estate.run(instance, "python3", "-c", PROBE, *targets)
    if code:
        raise StepFailed(f"Failed to probe from {instance}: {output.strip()[-300:]}. Is python3 in that image?")
    return [line.split()[0] for line in output.splitlines() if line.endswith(" 0")]
