"""Bakes an image with Packer, or finds the one that is there. One bake of an image at a time."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal

from .bake_key import key_of, moved
from .building import Builds, StoppedError, alone, discard, fresh, scratch
from .reasons import reason, remedy

# How an image came: this run baked it, another one did while this one waited for it, or it was there.
Way = Literal["baked", "attached", "there"]
# Packer's plug-in for Ansible puts its inventory beside the estate's, whose variables it reads from there.
_INVENTORIES = "packer-provisioner-ansible*"
# By this an inventory of a container is told from one of another kind of builder.
_IN_DOCKER = "ansible_connection=community.docker"
_TEMPORARY = ("TMPDIR", "PACKER_TMP_DIR", "ANSIBLE_LOCAL_TEMP")


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
    builds: Builds = field(default_factory=Builds, kw_only=True)

    kind: ClassVar[str] = "docker"
    source: ClassVar[str] = "docker.machine"
    marks: ClassVar[str] = "labels"

    def have(self, role: str, inputs: Mapping[str, str], snapshot: str) -> Way:
        """Finds the image of ``role`` made of ``inputs``, or bakes it, which takes a minute.

        :raises BakeError: if Packer fails; nothing of the bake is left, and the last record stays the one in use.
        """
        key = key_of(inputs)
        self.records.mkdir(parents=True, exist_ok=True)
        before: list[str | None] = []

        def waiting() -> None:
            self.builds.check()
            if not before:
                before.append(self.find(role, key))

        try:
            with alone(self._file(role, "lock"), waiting) as lock:
                image = self.find(role, key)
                way: Way = "baked" if image is None else "attached" if before == [None] else "there"
                # A baker that was killed before its Packer ended has not cleaned up behind it.
                discard(self._scratch(role))
                if image is None:
                    self._bake(role, key, snapshot, lock.fileno())
                    image = self.find(role, key)
                if image is None:
                    raise BakeError(f"Failed to find image {role} {key} after its bake: nothing has its {self.marks}. Read {self._log(role)}.")
                self._record(role, key, image, inputs, snapshot)
        except StoppedError as error:
            raise BakeError(f"Failed to bake image {role}: it was told to end ({error}), and nothing of it is left. Bake again.") from None
        return way

    def would(self, role: str, key: str) -> Way:
        """What `have` would do now."""
        return "there" if self.find(role, key) else "baked"

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
        found = {"tool packer": packer.split()[-1], "tool ansible": self._installed("ansible_core") or self._ansible()}
        # The bundle of collections that is installed beside it, where there is one.
        bundle = self._installed("ansible")
        return found | ({"tool collections": bundle} if bundle else {})

    def _installed(self, package: str) -> str:
        """The version of a Python package beside Ansible, where that lies in a virtual environment; asking Ansible itself takes a second."""
        known = sorted(Path(self.ansible_playbook).parent.parent.glob(f"lib/python*/site-packages/{package}-*.dist-info"))
        return known[-1].name.removesuffix(".dist-info").rpartition("-")[2] if known else ""

    def _ansible(self) -> str:
        line = self._run([self.ansible_playbook, "--version"], "ask Ansible for its version").splitlines()[0]
        return line.split()[-1].strip("]")

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

    def _bake(self, role: str, key: str, snapshot: str, lock: int) -> None:
        variables = {
            "bake_key": key,
            "snapshot": snapshot,
            "inventory_folder": str(self.inventory),
            "ansible_playbook": self.ansible_playbook,
            **self.variables(role),
        }
        command = [self.packer, "build", "-color=false", f"-only=image.{self.source}", f"-var-file=packer/images/{role}.pkrvars.hcl"]
        command += [f"-var={name}={value}" for name, value in variables.items()] + ["packer"]
        # What a killed bake left, goes first: while the lock is ours, nobody uses it.
        self._remove_leftovers(role)
        self._log(role).unlink(missing_ok=True)
        place = self._scratch(role)
        start = partial(self._start, environment={name: str(place) for name in _TEMPORARY})
        try:
            with fresh(place):
                code = self.builds.run(start, command, self._log(role), lock)
        except FileExistsError:
            raise BakeError(f"Failed to bake image {role}: {place} is somebody else's. Remove it, then bake again.") from None
        finally:
            self._remove_leftovers(role)
        if code:
            log = self._log(role)
            why = (reason(log.read_text(errors="replace")) if log.exists() else "") or f"Packer ended with {code}"
            raise BakeError(f"Failed to bake image {role}: {why}. {remedy(why, str(self._log(role)))}.")

    def _remove_leftovers(self, role: str) -> None:
        """Remove the machine that was being baked, and the inventory in which Ansible had it."""
        self._remove_builder(role)
        for path in self.inventory.glob(_INVENTORIES):
            with suppress(OSError):
                text = path.read_text(errors="replace")
                if f"[{role}]" in text.splitlines() and self.is_own(text):
                    path.unlink()

    def _remove_builder(self, role: str) -> None:
        self._start(["docker", "rm", "--force", "--volumes", f"{self.prefix}-builder-{role}"])

    def is_own(self, inventory: str) -> bool:
        """Whether an inventory of Packer's is one of a builder of this kind: another kind's bake of the same role may be under way."""
        return _IN_DOCKER in inventory

    def identity(self, role: str, key: str, image: str) -> dict[str, Any]:
        """What names the image in its record."""
        return {"image_id": f"ami-{image[:17]}", "docker_id": image, "docker_image": f"{self.prefix}/{role}:{key}"}

    def _record(self, role: str, key: str, image: str, inputs: Mapping[str, str], snapshot: str) -> None:
        last, names = self.last(role), self.identity(role, key, image)
        if last and last["bake_key"] == key and last["image_id"] == names["image_id"]:
            return
        if name := names.get("docker_image"):
            # A bake that was killed between its last two steps has made an image without a name.
            self._run(["docker", "tag", image, name], f"name image {role}")
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
        try:
            staged.write_text(json.dumps(record, indent=1) + "\n")
            staged.replace(path)
        except OSError as error:
            with suppress(OSError):
                staged.unlink()
            raise BakeError(
                f"Failed to record image {role} {key} in {path}: {error.strerror}. The image before it stays in use; "
                "free space there and bake again, which finds this one."
            ) from None

    def _packages(self, role: str, docker_id: str) -> dict[str, str]:
        if not docker_id:
            return {}
        listed = self._run(["docker", "run", "--rm", "--entrypoint", "dpkg-query", docker_id, "-W"], f"list the packages of image {role}")
        return dict(line.split("\t") for line in listed.splitlines() if "\t" in line)

    def _environment(self) -> dict[str, str]:
        plugins = self.checkout / "build" / "tools" / "packer_plugins"
        mine = {"ANSIBLE_CONFIG": str(self.checkout / "ansible.cfg"), "CHECKPOINT_DISABLE": "1"}
        return {**mine, **({"PACKER_PLUGIN_PATH": str(plugins)} if plugins.is_dir() else {})}

    def _scratch(self, role: str) -> Path:
        return scratch(f"{self.prefix}-{self._name(role)}")

    def _name(self, role: str) -> str:
        return role if self.kind == Bakery.kind else f"{role}.{self.kind}"

    def _file(self, role: str, suffix: str) -> Path:
        return self.records / f"{self._name(role)}.{suffix}"

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

    def _start(self, command: list[str], **more: Any) -> tuple[int, str, str]:
        return self.run_command(
            command,
            cwd=str(self.checkout),
            environ_update={**self._environment(), **more.pop("environment", {})},
            errors="replace",
            expand_user_and_vars=False,
            handle_exceptions=False,
            **more,
        )
