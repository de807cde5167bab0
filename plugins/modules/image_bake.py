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
  base:
    description: The Docker image to begin with.
    type: str
    default: twine/base:bookworm
requirements:
  - packer >= 1.11
  - docker (client)
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
    "architecture": {"type": "str", "default": "amd64"},
    "base": {"type": "str", "default": "twine/base:bookworm"},
}


def all_inputs(bakery: Bakery, params: dict[str, Any]) -> dict[str, dict[str, str]]:
    """The inputs of every image; refuses an image that wants what the snapshot does not hold."""
    published = params["snapshot"]["packages"]
    if "index" not in params["snapshot"]:
        raise BakeError("Failed to read the record of the snapshot: it does not say what the snapshot holds. Publish it again.")
    index = [Entry.from_data(item) for item in params["snapshot"]["index"]]
    shared = {"base image": bakery.base_id(), **bakery.versions()}
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


def bake(module: AnsibleModule) -> dict[str, Any]:
    """Decide, and unless in check mode, bake; returns the module's result."""
    params, check = module.params, module.check_mode
    checkout = Path(params["checkout"]).resolve()
    bakery = Bakery(
        run_command=module.run_command,
        checkout=checkout,
        inventory=Path(params["inventory"]).resolve(),
        records=checkout / "build" / "images",
        packer=params["packer"],
        ansible_playbook=params["ansible_playbook"],
        prefix=params["prefix"],
        network=f"{params['prefix']}-bake",
        base=params["base"],
    )
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
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    if YAML_IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("PyYAML"), exception=YAML_IMPORT_ERROR)
    try:
        module.exit_json(**bake(module))
    except BakeError as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"Failed to bake: {error}. See to it that this can be read and written, then bake again.")


if __name__ == "__main__":
    main()
