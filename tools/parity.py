"""`make parity`: bakes an image, makes the same machine once more without Packer on another base image, and compares the two.

The second machine is booted while it is converged, as one is that becomes an AMI or a box; Packer's container is not. Both begin with
what a run of mmdebstrap of their own made. The second one is kept as an image, and made again when the bake key has moved.
"""

from __future__ import annotations

import fcntl
import json
import signal
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import FrameType
from typing import Any

from ansible_collections.twine.platform.plugins.module_utils._images.bake_key import recipe_of
from ansible_collections.twine.platform.plugins.module_utils._images.containers import SYSTEMD, wait_for_boot
from ansible_collections.twine.platform.plugins.module_utils._images.manifest import ManifestError
from tools import base_image, checkout, remove, work

ROLE = "twine"
VIRTUAL = "box"
RECORDS = checkout.BUILD / "images"
PLAYBOOK = Path(sys.executable).parent / "ansible-playbook"
ESTATE = checkout.ROOT / "inventories" / "local"
CONTAINER = f"{checkout.prefix()}-second-{ROLE}"
SEAL_PROOF = checkout.ROOT / "roles" / "image" / "files" / "prove-sealed"


def _ask(command: list[str]) -> tuple[int, str, str]:
    answer = work.attempt(command, timeout=120)
    return answer.returncode, answer.stdout, answer.stderr


def _record(name: str) -> dict[str, Any]:
    path = RECORDS / f"{name}.json"
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return found


def play(name: str, **variables: object) -> int:
    """Run a playbook of the local estate; returns how it ended."""
    command = [str(PLAYBOOK), "-i", str(ESTATE), "-e", json.dumps(variables), f"playbooks/{name}.yml"]
    return subprocess.run(command, cwd=checkout.ROOT, check=False).returncode


def _bake() -> str:
    """Have the image, and return the key of its bake."""
    if play("bake_image", images=[ROLE]):
        raise work.Failed(f"Failed to prove parity: image {ROLE} was not baked, see above. Bake it with `make bake`.")
    return str(_record(ROLE)["bake_key"])


def _second(baked: Future[str]) -> None:
    """Have the second machine: the one that is kept, if neither its inputs nor its base image moved, else a new one."""
    base = base_image.second()
    known = _record(f"{ROLE}.second")
    inputs = {"base image": base_image.identity(base)}
    is_there = known and known["inputs"] == inputs and known["docker_id"] == base_image.identity(known["docker_id"])
    if is_there and known["bake_key"] == _record(ROLE).get("bake_key") == baked.result():
        print(f"The second machine of bake key {known['bake_key']} is there: nothing of it moved.", flush=True)
        return
    print("Making a second machine, on a second base image, without Packer: about 80 s.", flush=True)
    _make(base)
    image = f"{checkout.prefix()}/second-{ROLE}:{baked.result()}"
    work.run("keep the second machine", ["docker", "commit", CONTAINER, image], log="second", remedy="Check the disk's space.")
    record = {"role": ROLE, "kind": "second", "bake_key": baked.result(), "docker_id": base_image.identity(image), "inputs": inputs}
    work.replace_text(RECORDS / f"{ROLE}.second.json", json.dumps(record, indent=1) + "\n")


def _make(base: str) -> None:
    """Boot a container of the base image, converge it, seal it and prove it sealed."""
    remove.main(["--only", "twine.role=second", "--quiet"])
    labels = ["--label", checkout.label(), "--label", "twine.role=second"]
    network = f"{checkout.prefix()}-build"
    start: work.Words = ["docker", "run", "--detach", "--name", CONTAINER, "--network", network, *SYSTEMD, *labels, base, "/sbin/init"]
    work.run("start a second machine", start, log="second", remedy="Run `make published`, which makes its network.")
    wait_for_boot(_ask, CONTAINER)
    inventory = RECORDS / "second.ini"
    work.replace_text(inventory, f"[{ROLE}]\nsecond ansible_connection=community.docker.docker ansible_host={CONTAINER}\n")
    play: work.Words = [PLAYBOOK, "-i", inventory, "-i", ESTATE, "--limit", "second", "-e", "machine_phase=bake", "playbooks/bake_machine.yml"]
    remedy = "Compare it with the bake's log in build/images."
    work.run("configure and seal the second machine", play, log="second", cwd=checkout.ROOT, remedy=remedy)
    proof: work.Words = ["docker", "exec", "--interactive", CONTAINER, "sh"]
    work.run("prove the second machine sealed", proof, log="second", stdin=SEAL_PROOF.read_text(), remedy="Remove that in the role that made it.")


def run() -> int:
    """Have both, side by side where both are to be made, and compare. Who comes second waits."""
    RECORDS.mkdir(parents=True, exist_ok=True)
    with (RECORDS / "second.lock").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with ThreadPoolExecutor(max_workers=2) as workers:
            try:
                baked = workers.submit(_bake)
                workers.submit(_second, baked).result()
            finally:
                # Whatever still converges it ends by that.
                remove.main(["--only", "twine.role=second", "--quiet"])
    return prove(others())


def prove(kinds: list[str]) -> int:
    """Compare the image with each of these; returns how that ended."""
    containers = [kind for kind in kinds if kind != VIRTUAL]
    return play("prove_parity", image=ROLE, others=containers) or (prove_virtual(ROLE) if VIRTUAL in kinds else 0)


def prove_virtual(role: str) -> int:
    """Compare what `make box-qemu` baked. A container has no kernel: what differs between the two beginnings is not held against them."""
    return play("prove_parity", image=role, others=[VIRTUAL], began=_record(f"{role}.{VIRTUAL}")["began"])


def others() -> list[str]:
    """Return the kinds of what else was made of the image's very inputs (second, box, ami …); says what can prove nothing."""
    image = _record(ROLE)
    kinds = []
    for path in sorted(RECORDS.glob(f"{ROLE}.*.json")):
        kind = path.name.removeprefix(f"{ROLE}.").removesuffix(".json")
        record = {} if kind.endswith("manifest") else _record(f"{ROLE}.{kind}")
        if not record:
            continue
        if not _same(record, image):
            print(f"Left out: {kind} is of bake key {record.get('bake_key')}, the image of {image['bake_key']}.", flush=True)
        elif record.get("id", record.get("docker_id")) == image["docker_id"]:
            print(f"Left out: {kind} was made of the image's own file system, and a thing is always equal to itself.", flush=True)
        elif "path" not in record and not base_image.identity(record.get("docker_id", "none")):
            print(f"Left out: {kind} has no file system at hand. Make it again.", flush=True)
        else:
            kinds.append(kind)
    return kinds


def _same(record: dict[str, Any], image: dict[str, Any]) -> bool:
    """Whether both were made of one recipe: of the same bake key, or of the same inputs but for what they began with."""
    known = image.get("inputs", {})
    return record.get("bake_key") == image["bake_key"] or (bool(known) and recipe_of(record.get("inputs", {})) == recipe_of(known))


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main() -> int:
    """Prove parity; nothing runs on, however it ends."""
    signal.signal(signal.SIGTERM, _stop)
    try:
        return run()
    except (work.Failed, ManifestError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
