#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Bake machine images with Packer, unless the images of the same inputs are there."""

from __future__ import annotations

DOCUMENTATION = r"""
module: image_bake
short_description: Bake machine images with Packer, unless the images of the same inputs are there
version_added: 0.1.0
description:
  - Computes a key over everything an image is made of (packages of the snapshot with all that they depend on and the digests of each,
    roles, playbooks, Packer files, variables, base image, tools). An image with that key is found by its labels and nothing is
    started; else Packer bakes it.
  - Says which input moved, from what to what. Comments, times, the checkout's folder and order do not move the key.
  - An image is a Docker image, or with O(kind=ami) an AMI of one account, which Packer's amazon-ebs source bakes. That one is found by its
    tags, if the account owns it.
  - Images are baked side by side. Two bakes of one image wait for each other; the second finds what the first one made, and says so.
  - However a bake ends (a failed task or check, SIGINT or SIGTERM), nothing of it is left and the record stays as it was. What one left that was
    killed outright, the next one removes; if only the module was killed and Packer goes on, the next one waits for it.
  - Runs on the machine that has the checkout, Packer and Docker's client, commonly the control node.
author:
  - The twine.platform authors (@twine-platform)
attributes:
  check_mode:
    description: Says whether the image would be baked and why, and writes nothing.
    support: full
  diff_mode:
    description: Shows the inputs before and after.
    support: full
options:
  images:
    description:
      - Image (which is also its group in the inventory) to what it is, with the keys V(roles), the roles that configure it,
        and V(packages), the packages of ours that it takes. What the roles install comes from C(roles/packages.yml).
    type: dict
    required: true
  snapshot:
    description: The record of the published snapshot, with the keys V(snapshot), V(packages) and V(index).
    type: dict
    required: true
  checkout:
    description: The checkout's root.
    type: path
    required: true
  inventory:
    description: The estate's inventory folder.
    type: path
    required: true
  prefix:
    description: What the names of the checkout's images and networks in Docker begin with.
    type: str
    required: true
  packer:
    description: The Packer to run.
    type: str
    default: packer
  ansible_playbook:
    description: The ansible-playbook that Packer runs.
    type: str
    default: ansible-playbook
  architecture:
    description: The Debian architecture of the images.
    type: str
    default: amd64
    choices: [amd64, arm64]
  base:
    description: The Docker image to begin with.
    type: str
    default: twine/base:bookworm
  kind:
    description: What is baked.
    type: str
    choices: [docker, ami]
    default: docker
  ami:
    description: Where builders of AMIs start. Needed with O(kind=ami).
    type: dict
    suboptions:
      account_id:
        description: The account, twelve digits. Only an image that it owns counts as there.
        type: str
        required: true
      region:
        description: Its region.
        type: str
        required: true
      profile:
        description: A profile of that account which may start builders and make images.
        type: str
        required: true
      credentials_file:
        description: File of profiles instead of the user's own.
        type: path
      endpoint_url:
        description: Endpoint of EC2 instead of AWS's own.
        type: str
      subnet_id:
        description: Subnet of the builder, which must reach the package repository from there. If it is not given, the default VPC's.
        type: str
      ssh_interface:
        description: How the builder is reached. If it is not given, by its public address, or its private one where it has no other.
        type: str
        choices: [public_ip, private_ip, session_manager]
      ssh_from:
        description: Range (CIDR) from which the builder may be logged in to. If it is not given, the public address of this machine.
        type: str
      instance_type:
        description: Type of the builder. If it is not given, a medium one of the architecture.
        type: str
      instance_profile:
        description: Instance profile of the builder, for Session Manager.
        type: str
      kms_key_id:
        description:
          - Key of that account (id, ARN or alias) that encrypts the image.
          - If it is not given, AWS's own key for EBS does, and no other account can copy the image.
        type: str
      source_owner:
        description: The account whose C(debian-12-<architecture>-*) is begun with, Debian's own.
        type: str
        default: "136693071363"
requirements:
  - packer >= 1.11
  - docker (client), or boto3 >= 1.34.0 for AMIs
"""

EXAMPLES = r"""
- name: Bake the application's image
  twine.platform.image_bake:
    images:
      twine:
        roles: [common, redis, nginx, twine, image]
        packages: [twine, twine-machine]
    snapshot: "{{ lookup('ansible.builtin.file', 'build/releases/snapshot.json') | from_json }}"
    checkout: "{{ playbook_dir }}/.."
    inventory: "{{ inventory_dir }}"
    prefix: twine-012345
"""

RETURN = r"""
images:
  description: Every image asked for, by name.
  returned: success
  type: dict
  sample:
    twine:
      key: 0a1b2c3d4e5f
      baked: true
      attached: false
      reason: "package twine: 1.0.0-1~deb12 0934d262a99c → 1.0.1-1~deb12 5677c4da6fbc"
      seconds: 41.2
records:
  description: The records of those whose file system is at hand, so that M(twine.platform.image_manifest) can read it.
  returned: success
  type: list
  elements: str
  sample: ["build/images/twine.json"]
summary:
  description: A line for each image, for people.
  returned: success
  type: list
  elements: str
  sample: ["bastion 3d1aa411f019: unchanged"]
"""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.twine.platform.plugins.module_utils._aws.accounts import Account, Accounts, Operator
from ansible_collections.twine.platform.plugins.module_utils._aws.errors import Failure
from ansible_collections.twine.platform.plugins.module_utils._images.ami import AmiBakery, Place
from ansible_collections.twine.platform.plugins.module_utils._images.bake_key import key_of
from ansible_collections.twine.platform.plugins.module_utils._images.bakery import BakeError, Bakery
from ansible_collections.twine.platform.plugins.module_utils._images.inputs import YAML_IMPORT_ERROR, collect, installed_by
from ansible_collections.twine.platform.plugins.module_utils._packages.closure import closure, required
from ansible_collections.twine.platform.plugins.module_utils._packages.entry import Entry

ARGUMENTS: dict[str, dict[str, Any]] = {
    "images": {"type": "dict", "required": True},
    "snapshot": {"type": "dict", "required": True},
    "checkout": {"type": "path", "required": True},
    "inventory": {"type": "path", "required": True},
    "prefix": {"type": "str", "required": True},
    "packer": {"type": "str", "default": "packer"},
    "ansible_playbook": {"type": "str", "default": "ansible-playbook"},
    "architecture": {"type": "str", "default": "amd64", "choices": ["amd64", "arm64"]},
    "base": {"type": "str", "default": "twine/base:bookworm"},
    "kind": {"type": "str", "default": "docker", "choices": ["docker", "ami"]},
    "ami": {
        "type": "dict",
        "options": {
            "account_id": {"type": "str", "required": True},
            "region": {"type": "str", "required": True},
            "profile": {"type": "str", "required": True},
            "credentials_file": {"type": "path"},
            "endpoint_url": {"type": "str"},
            "subnet_id": {"type": "str"},
            "ssh_interface": {"type": "str", "choices": ["public_ip", "private_ip", "session_manager"]},
            "ssh_from": {"type": "str"},
            "instance_type": {"type": "str"},
            "instance_profile": {"type": "str"},
            "kms_key_id": {"type": "str"},
            "source_owner": {"type": "str", "default": "136693071363"},
        },
    },
}


def all_inputs(bakery: Bakery, params: dict[str, Any]) -> dict[str, dict[str, str]]:
    """The inputs of every image; refuses an image that wants what the snapshot does not hold."""
    published = params["snapshot"]["packages"]
    if "index" not in params["snapshot"]:
        raise BakeError("Failed to read the record of the snapshot: it does not say what the snapshot holds. Publish it again.")
    index = [Entry.from_data(item) for item in params["snapshot"]["index"]]
    shared = {"architecture": params["architecture"], "base image": bakery.base_id(), **bakery.versions()}
    found = {}
    for role, image in params["images"].items():
        if missing := sorted(set(image["packages"]) - published.keys()):
            raise BakeError(f"Failed to bake image {role}: the snapshot has no package {', '.join(missing)}. Build and publish it first.")
        names = [*image["packages"], *installed_by(bakery.checkout, image["roles"]), *required(index)]
        # What the snapshot lacks comes from elsewhere, where other sources are allowed, and no key can know it.
        packages = closure(index, names, params["architecture"]).packages
        digests = {name: f"{entry.deb.version} {entry.deb.sha256}" for name, entry in packages.items()}
        found[role] = collect(bakery.checkout, bakery.inventory, role, image["roles"], digests) | shared
    return found


def bakery_of(module: AnsibleModule) -> Bakery:
    """The bakery of the kind that is asked for.

    :raises Failure: if the account cannot be entered.
    """
    params = module.params
    checkout = Path(params["checkout"]).resolve()
    common: dict[str, Any] = {
        "run_command": module.run_command,
        "checkout": checkout,
        "inventory": Path(params["inventory"]).resolve(),
        "records": checkout / "build" / "images",
        "packer": params["packer"],
        "ansible_playbook": params["ansible_playbook"],
        "prefix": params["prefix"],
        "network": f"{params['prefix']}-bake",
        "base": params["base"],
    }
    if params["kind"] == "docker":
        return Bakery(**common)
    place = Place(architecture=params["architecture"], **{name: value for name, value in params["ami"].items() if value is not None})
    account = Account("ami", place.account_id, place.region, "", endpoint_url=place.endpoint_url, admin_profile=place.profile)
    accounts = Accounts({account.name: account}, Operator(credentials_file=place.credentials_file))
    return AmiBakery(**common, place=place, ec2=accounts.client(account.name, "ec2", "account"))


def bake(module: AnsibleModule) -> dict[str, Any]:
    """Decide, and unless in check mode, bake; returns the module's result."""
    params, check = module.params, module.check_mode
    bakery = bakery_of(module)
    inputs = all_inputs(bakery, params)
    before = {role: bakery.last(role).get("inputs", {}) for role in inputs}

    def have(role: str) -> dict[str, Any]:
        began = time.monotonic()
        key, reason = key_of(inputs[role]), bakery.explain(role, inputs[role])
        way = bakery.would(role, key) if check else bakery.have(role, inputs[role], params["snapshot"]["snapshot"])
        seconds = round(time.monotonic() - began, 1)
        return {"key": key, "baked": way == "baked", "attached": way == "attached", "reason": reason, "seconds": seconds}

    with bakery.builds.stoppable(), ThreadPoolExecutor(max_workers=max(1, len(inputs))) as workers:
        begun = {role: workers.submit(have, role) for role in inputs}
    # All have ended: what fails keeps no other from being baked.
    errors = [error for done in begun.values() if (error := done.exception())]
    if unforeseen := next((error for error in errors if not isinstance(error, BakeError)), None):
        raise unforeseen
    if errors:
        raise BakeError("\n".join(map(str, errors)))
    images = {role: done.result() for role, done in begun.items()}
    return {
        "changed": any(image["baked"] for image in images.values()),
        "images": images,
        "records": [str(bakery.record_of(role)) for role in images if bakery.last(role).get("docker_id")],
        "summary": [_line(role, image, check) for role, image in images.items()],
        "diff": {"before": _lines(before), "after": _lines(inputs)},
    }


def _line(role: str, image: dict[str, Any], check: bool) -> str:
    if image["attached"]:
        return f"{role} {image['key']}: baked by another run, for which this one waited {image['seconds']:.0f} s"
    if not image["baked"]:
        return f"{role} {image['key']}: unchanged"
    if check:
        return f"{role} {image['key']}: would be baked, because {image['reason']}"
    return f"{role} {image['key']}: baked in {image['seconds']:.0f} s, because {image['reason']}"


def _lines(images: dict[str, dict[str, str]]) -> str:
    return "".join(f"{role} {name}: {value}\n" for role, inputs in images.items() for name, value in sorted(inputs.items()))


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True, required_if=[("kind", "ami", ["ami"])])
    if YAML_IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("PyYAML"), exception=YAML_IMPORT_ERROR)
    try:
        module.exit_json(**bake(module))
    except (BakeError, Failure) as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"Failed to bake: {error}. See to it that this can be read and written, then bake again.")


if __name__ == "__main__":
    main()
