"""Bakes an image as an AMI: Packer's amazon-ebs source in one account, instead of a container."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from .._aws import images
from .._aws.errors import Failure
from .bakery import BakeError, Bakery

# What is Packer's variable of the same name.
_GIVEN = ("region", "architecture", "endpoint_url", "subnet_id", "ssh_interface", "ssh_from", "instance_type", "instance_profile", "kms_key_id")
# Left to itself Packer gives up on an image after ten minutes, and a large encrypted one takes longer.
_POLL_SECONDS, _POLLS = 2, 1800


@dataclass(frozen=True)
class Place:
    """Where builders start, and as whom: ``profile`` of an account that may, in ``credentials_file`` (empty: the user's own).

    ``ssh_from`` is the range (CIDR) from which a builder may be logged in to, empty for this machine's public address.
    """

    account_id: str
    region: str
    architecture: str
    profile: str
    credentials_file: str = ""
    endpoint_url: str = ""
    subnet_id: str = ""
    ssh_interface: str = ""
    ssh_from: str = ""
    instance_type: str = ""
    instance_profile: str = ""
    kms_key_id: str = ""
    source_owner: str = ""


@dataclass(frozen=True)
class AmiBakery(Bakery):
    """A bakery whose images are AMIs of one account; ``ec2`` is a client in it."""

    place: Place
    ec2: Any

    kind: ClassVar[str] = "ami"
    source: ClassVar[str] = "amazon-ebs.machine"
    marks: ClassVar[str] = "tags"

    def find(self, role: str, key: str) -> str | None:
        """The id of the account's own AMI with that key, found by its tags; None if it is not there."""
        try:
            return images.baked(self.ec2, self.place.account_id, role, key, self.place.architecture)
        except Failure as failure:
            raise BakeError(str(failure)) from failure

    @cached_property
    def begins_with(self) -> dict[str, Any]:
        """The AMI that a builder starts from."""
        try:
            return images.newest(self.ec2, self.place.source_owner, f"debian-12-{self.place.architecture}-*", self.place.architecture)
        except Failure as failure:
            raise BakeError(str(failure)) from failure

    def base_id(self) -> str:
        """The id of the AMI that a builder starts from: another one, another image."""
        return str(self.begins_with["ImageId"])

    def variables(self, role: str) -> dict[str, str]:
        """Where the builder starts; what is empty is Packer's business."""
        # Exactly the one that the key knows, whatever Debian publishes meanwhile.
        return {
            **{name: value for name in _GIVEN if (value := getattr(self.place, name))},
            "source_owner": self.place.source_owner,
            "source_name": str(self.begins_with["Name"]),
        }

    def identity(self, role: str, key: str, image: str) -> dict[str, Any]:
        """Its id; and where this machine's Docker holds its file system, the image there."""
        found = {"image_id": image, "id": image, "account_id": self.place.account_id, "architecture": self.place.architecture}
        try:
            code, out, _err = self._start(["docker", "images", "--no-trunc", "--quiet", "--filter", f"label=twine.image={image}"])
        except FileNotFoundError:
            return found
        if code or not out.strip():
            return found
        docker_id = out.split()[0].removeprefix("sha256:")
        # Debian's AMI may itself have been made of the checkout's base image. Then both stand on one base, and a proof of parity has to know.
        base, first = self._bottom(self.base), self._bottom(docker_id)
        return {**found, "docker_id": docker_id, **({"base": base[0]} if base[1] == first[1] else {})}

    def _remove_builder(self, role: str) -> None:
        """Packer does; what one that was killed has left, the reaper finds."""

    def is_own(self, inventory: str) -> bool:
        """Whether an inventory of Packer's is one of a builder of this kind."""
        return not super().is_own(inventory)

    def _bottom(self, image: str) -> tuple[str, str]:
        """The id of a Docker image, and its lowest layer."""
        command = ["docker", "image", "inspect", "--format", "{{.Id}} {{index .RootFS.Layers 0}}", image]
        identity, _space, layer = self._run(command, f"look at image {image}").strip().partition(" ")
        return identity.removeprefix("sha256:"), layer

    def _environment(self) -> dict[str, str]:
        mine = {"AWS_PROFILE": self.place.profile, "AWS_POLL_DELAY_SECONDS": str(_POLL_SECONDS), "AWS_MAX_ATTEMPTS": str(_POLLS)}
        credentials = {"AWS_SHARED_CREDENTIALS_FILE": self.place.credentials_file} if self.place.credentials_file else {}
        return {**super()._environment(), **mine, **credentials}
