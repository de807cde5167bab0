#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Write down what is in an image, in one canonical form."""

from __future__ import annotations

DOCUMENTATION = r"""
module: image_manifest
short_description: Write down what is in an image, in one canonical form
version_added: 0.1.0
description:
  - Reads the file system of an image at rest and writes its manifest. That is packages with versions and digests, files with type, mode,
    owner, SHA-256, capabilities and extended attributes, units and their state, users, groups, kernel parameters, environment of services.
  - Nothing in the image is run for that. With O(boot) a machine of an image that Docker holds is started, too, and asked which ports it
    listens on.
  - A manifest that was made of the same image by the same code is left as it is.
  - M(twine.platform.image_parity) compares two manifests, M(twine.platform.image_search) answers which images have a library.
author:
  - The twine.platform authors (@twine)
options:
  images:
    description: The images, side by side.
    type: list
    elements: dict
    required: true
    suboptions:
      dest:
        description: The file of the manifest. Its folder must exist.
        type: path
        required: true
      role:
        description: What a machine of the image is.
        type: str
        required: true
      kind:
        description: What the image is for, such as V(docker), V(ami) or V(box).
        type: str
        required: true
      id:
        description: The id of the converge that made it. An image that was made of another one's file system has that one's id.
        type: str
        required: true
      bake_key:
        description: The digest of its inputs.
        type: str
        required: true
      base:
        description: The id of what its converge began with.
        type: str
        required: true
      docker_image:
        description: The image's name or id in Docker. Give either this or O(images[].path).
        type: str
      path:
        description: A tar of its file system, or the folder where it is mounted.
        type: path
      ports:
        description:
          - What V(ss -H -l -n -t -u -p) printed on a machine of this image that had booted.
          - For an image in Docker, O(boot) asks itself.
        type: str
  boot:
    description: Whether to start a machine of each image in Docker and to write down the ports that it listens on.
    type: bool
    default: false
  digests:
    description: The packages that the repository's snapshot names, with C(version) and C(sha256) of each.
    type: dict
    default: {}
  labels:
    description: Docker labels of the containers that are made for it.
    type: dict
    default: {}
attributes:
  check_mode:
    description: Tells which manifests would be written, writes nothing and starts nothing.
    support: full
  diff_mode:
    description: A manifest has ten thousands of lines; M(twine.platform.image_parity) says what differs.
    support: none
"""

EXAMPLES = r"""
- name: Write down what is in the image
  twine.platform.image_manifest:
    images:
      - dest: build/images/twine.manifest.json
        role: twine
        kind: docker
        id: "{{ record.docker_id }}"
        bake_key: "{{ record.bake_key }}"
        base: "{{ record.inputs['base image'] }}"
        docker_image: "{{ record.docker_image }}"
"""

RETURN = r"""
written:
  description: The manifests that were written, or in check mode would be.
  returned: always
  type: list
  elements: str
  sample: ["build/images/twine.manifest.json"]
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.twine.platform.plugins.module_utils._images.containers import ports_of, root_of
from ansible_collections.twine.platform.plugins.module_utils._images.manifest import (
    Build,
    ManifestError,
    collector,
    listening,
    load,
    manifest_of,
    text_of,
)
from ansible_collections.twine.platform.plugins.module_utils._images.root import RootError, read

IMAGE: dict[str, dict[str, Any]] = {
    "dest": {"type": "path", "required": True},
    "role": {"type": "str", "required": True},
    "kind": {"type": "str", "required": True},
    "id": {"type": "str", "required": True},
    "bake_key": {"type": "str", "required": True},
    "base": {"type": "str", "required": True},
    "docker_image": {"type": "str"},
    "path": {"type": "path"},
    "ports": {"type": "str"},
}
ARGUMENTS: dict[str, dict[str, Any]] = {
    "images": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": IMAGE,
        "required_one_of": [("docker_image", "path")],
        "mutually_exclusive": [("docker_image", "path")],
    },
    "boot": {"type": "bool", "default": False},
    "digests": {"type": "dict", "default": {}},
    "labels": {"type": "dict", "default": {}},
}


def is_known(image: dict[str, Any], boot: bool) -> bool:
    """Whether the manifest of this very image is there, made by this code, with ports if they are wanted."""
    dest = Path(image["dest"])
    if not dest.exists():
        return False
    manifest = load(dest)
    wanted = {name: image[name] for name in ("role", "kind", "id", "bake_key", "base")} | {"collector": collector()}
    return bool(manifest["build"] == wanted) and (manifest["ports"] is not None or not (boot or image["ports"]))


def write(module: AnsibleModule, image: dict[str, Any]) -> None:
    """Reads the image and writes its manifest."""
    params = module.params

    def run(command: list[str]) -> tuple[int, str, str]:
        code, out, err = module.run_command(command, errors="replace", expand_user_and_vars=False)
        return code, out, err

    build = Build(**{name: image[name] for name in ("role", "kind", "id", "bake_key", "base")})
    ports = listening(image["ports"]) if image["ports"] else None
    if image["docker_image"]:
        root = root_of(run, image["docker_image"], params["labels"])
        ports = ports_of(run, image["docker_image"], params["labels"]) if params["boot"] and ports is None else ports
    else:
        root = read(Path(image["path"]))
    dest = Path(image["dest"])
    staged = dest.with_suffix(".new")
    staged.write_text(text_of(manifest_of(root, build, params["digests"], ports)))
    module.atomic_move(str(staged), str(dest))


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        wanted = [image for image in module.params["images"] if not is_known(image, module.params["boot"])]
        if wanted and not module.check_mode:
            with ThreadPoolExecutor(max_workers=2) as workers:
                list(workers.map(lambda image: write(module, image), wanted))
        module.exit_json(changed=bool(wanted), written=[image["dest"] for image in wanted])
    except (ManifestError, RootError, OSError) as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
