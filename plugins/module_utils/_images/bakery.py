"""Bakes an image with Packer, or finds the one that is there. One bake of an image at a time."""

from __future__ import annotations

import fcntl
import json
import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

from .bake_key import key_of, moved

TAIL_LINES = 30


class BakeError(Exception):
    """An image could not be had; the message says which, why, and what to do."""


@dataclass(frozen=True)
class Bakery:
    """Where images are baked: ``records`` is the folder of ``<role>.json``, ``prefix`` names the checkout's images in Docker.

    ``run_command`` is the module's, by which Ansible starts processes.
    """

    run_command: Callable[..., tuple[int, str, str]]
    checkout: Path
    inventory: Path
    records: Path
    packer: str
    ansible_playbook: str
    prefix: str
    network: str
    base: str

    kind: ClassVar[str] = "docker"
    source: ClassVar[str] = "docker.machine"
    marks: ClassVar[str] = "labels"

    def have(self, role: str, inputs: Mapping[str, str], snapshot: str) -> bool:
        """Finds the image of ``role`` made of ``inputs``, or bakes it, which takes a minute; whether it was baked.

        :raises BakeError: if Packer fails; nothing of the bake is left, and the last record stays the one in use.
        """
        key = key_of(inputs)
        self.records.mkdir(parents=True, exist_ok=True)
        with _alone(self._file(role, "lock")):
            image = self.find(role, key)
            baked = image is None
            if image is None:
                self._bake(role, key, snapshot)
                image = self.find(role, key)
            if image is None:
                raise BakeError(f"Failed to find image {role} {key} after its bake: nothing has its {self.marks}. Read {self._log(role)}.")
            self._record(role, key, image, inputs, snapshot)
        return baked

    def explain(self, role: str, inputs: Mapping[str, str]) -> str:
        """Why the image of ``role`` must be baked anew, or that nothing moved since the last record."""
        known = self.last(role)
        if not known:
            return "it was never baked here"
        phrases = moved(known["inputs"], inputs)
        return "; ".join(phrases) if phrases else "nothing moved"

    def record_of(self, role: str) -> Path:
        """Where the record of the image in use lies."""
        return self._file(role, "json")

    def last(self, role: str) -> dict[str, Any]:
        """The record of the image in use; empty if there is none."""
        path = self.record_of(role)
        found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        return found

    def find(self, role: str, key: str) -> str | None:
        """The Docker id (64 hexadecimal digits) of the checkout's image with that key; None if it is not there."""
        owner = self.prefix.removeprefix("twine-")
        filters = [f"label=twine.{name}={value}" for name, value in (("checkout", owner), ("role", role), ("bake_key", key))]
        command = ["docker", "images", "--no-trunc", "--quiet", *(word for one in filters for word in ("--filter", one))]
        found = self._run(command, "ask Docker for images").split()
        return found[0].removeprefix("sha256:") if found else None

    def base_id(self) -> str:
        """The id of the base image: another base, another image."""
        return self._run(["docker", "image", "inspect", "--format", "{{.Id}}", self.base], f"find the base image {self.base}").strip()

    def versions(self) -> dict[str, str]:
        """The versions of the tools that bake."""
        packer = self._run([self.packer, "version"], "ask Packer for its version").splitlines()[0]
        ansible = self._run([self.ansible_playbook, "--version"], "ask Ansible for its version").splitlines()[0]
        return {"tool packer": packer.split()[-1], "tool ansible": ansible.split()[-1].strip("]")}

    def variables(self, role: str) -> dict[str, str]:
        """What this kind of source asks for beside what every bake says.

        :raises BakeError: if something that it needs is not there.
        """
        if self._start(["docker", "network", "inspect", self.network])[0]:
            raise BakeError(
                f"Failed to bake image {role}: its packages come over the network {self.network}, which Docker does not have. "
                "Run playbooks/repository.yml (make published), then bake again."
            )
        return {"docker_base": self.base, "docker_network": self.network, "docker_prefix": self.prefix}

    def _bake(self, role: str, key: str, snapshot: str) -> None:
        variables = {
            "bake_key": key,
            "snapshot": snapshot,
            "inventory_folder": str(self.inventory),
            "ansible_playbook": self.ansible_playbook,
            **self.variables(role),
        }
        command = [self.packer, "build", "-color=false", f"-only=image.{self.source}", f"-var-file=packer/images/{role}.pkrvars.hcl"]
        command += [f"-var={name}={value}" for name, value in variables.items()] + ["packer"]
        # Straight into the file, so that a bake can be followed.
        code, _out, _err = self._start(["sh", "-c", f'exec "$@" </dev/null >{shlex.quote(str(self._log(role)))} 2>&1', "sh", *command])
        if code:
            tail = "\n".join(self._log(role).read_text(errors="replace").splitlines()[-TAIL_LINES:])
            raise BakeError(f"Failed to bake image {role}: Packer ended with {code}. Read {self._log(role)}; it ends:\n{tail}")

    def identity(self, role: str, key: str, image: str) -> dict[str, Any]:
        """What names the image in its record."""
        return {"image_id": f"ami-{image[:17]}", "docker_id": image, "docker_image": f"{self.prefix}/{role}:{key}"}

    def _record(self, role: str, key: str, image: str, inputs: Mapping[str, str], snapshot: str) -> None:
        last, names = self.last(role), self.identity(role, key, image)
        if last and last["bake_key"] == key and last["image_id"] == names["image_id"]:
            return
        record = {
            "role": role,
            "kind": self.kind,
            "bake_key": key,
            **names,
            "snapshot": snapshot,
            "built_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "inputs": dict(sorted(inputs.items())),
            "packages": self._packages(role, names.get("docker_id", "")),
        }
        path = self.record_of(role)
        staged = path.with_suffix(".new")
        staged.write_text(json.dumps(record, indent=1) + "\n")
        staged.replace(path)

    def _packages(self, role: str, docker_id: str) -> dict[str, str]:
        if not docker_id:
            return {}
        listed = self._run(["docker", "run", "--rm", "--entrypoint", "dpkg-query", docker_id, "-W"], f"list the packages of image {role}")
        return dict(line.split("\t") for line in listed.splitlines() if "\t" in line)

    def _environment(self) -> dict[str, str]:
        plugins = self.checkout / "build" / "tools" / "packer_plugins"
        mine = {"ANSIBLE_CONFIG": str(self.checkout / "ansible.cfg"), "CHECKPOINT_DISABLE": "1"}
        return {**mine, **({"PACKER_PLUGIN_PATH": str(plugins)} if plugins.is_dir() else {})}

    def _file(self, role: str, suffix: str) -> Path:
        return self.records / f"{role}{'' if self.kind == 'docker' else '.' + self.kind}.{suffix}"

    def _log(self, role: str) -> Path:
        return self._file(role, "log")

    def _run(self, command: list[str], what: str) -> str:
        try:
            code, out, err = self._start(command)
        except FileNotFoundError:
            raise BakeError(f"Failed to {what}: {command[0]} is not there. Run make setup.") from None
        if code:
            raise BakeError(f"Failed to {what}: {err.strip() or out.strip()}. Run make setup, then try again.")
        return out

    def _start(self, command: list[str]) -> tuple[int, str, str]:
        return self.run_command(
            command,
            cwd=str(self.checkout),
            environ_update=self._environment(),
            errors="replace",
            expand_user_and_vars=False,
            handle_exceptions=False,
        )


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Holds the lock on ``path``; who comes second waits, and then finds the image. The kernel frees it if the holder dies."""
    with path.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
