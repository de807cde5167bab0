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
  - The twine.platform authors (@twine-platform)
options:
  records:
    description:
      - The records of the images, as a bake writes them (V(build/images/twine.json)). The manifest of V(twine.json) is V(twine.manifest.json)
        beside it.
      - A record is JSON with C(role), C(kind) (such as V(docker), V(ami) or V(box); V(docker) if it is not said), C(bake_key), the id of the base
        image as C(inputs["base image"]), and the id of the converge as C(docker_id) or C(id). An image that was made of another one's file system
        has that one's id. Where what it began with was made of another base in turn, C(base) is that one's id.
      - Its file system is that of the image C(docker_id) in Docker, or lies at C(path), which is a tar or a folder.
      - C(ports), if it has them, are what V(ss -H -l -n -t -u -p) printed on a machine of that image.
    type: list
    elements: path
    required: true
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
- name: Write down what is in two images
  twine.platform.image_manifest:
    records: [build/images/twine.json, build/images/bastion.json]
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
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.twine.platform.plugins.module_utils._images.containers import orderly, ports_of, root_of
from ansible_collections.twine.platform.plugins.module_utils._images.manifest import ManifestError, collector, load, manifest_of, text_of
from ansible_collections.twine.platform.plugins.module_utils._images.record import Record, read_record
from ansible_collections.twine.platform.plugins.module_utils._images.root import RootError, read

ARGUMENTS: dict[str, dict[str, Any]] = {
    "records": {"type": "list", "elements": "path", "required": True},
    "boot": {"type": "bool", "default": False},
    "digests": {"type": "dict", "default": {}},
    "labels": {"type": "dict", "default": {}},
}


def is_known(record: Record, boot: bool) -> bool:
    """Whether the manifest of this very image is there, made by this code, with ports if they are wanted."""
    if not record.manifest.exists():
        return False
    manifest = load(record.manifest)
    if manifest["build"] != {**asdict(record.build), "collector": collector()}:
        return False
    return record.ports == manifest["ports"] if record.ports is not None else manifest["ports"] is not None or not boot


def write(module: AnsibleModule, record: Record) -> None:
    """Reads the image and writes its manifest."""
    params = module.params

    def run(command: list[str]) -> tuple[int, str, str]:
        code, out, err = module.run_command(command, errors="replace", expand_user_and_vars=False)
        return code, out, err

    root = read(Path(record.path)) if record.path else root_of(run, record.docker_id, params["labels"])
    ports = record.ports
    if ports is None and params["boot"] and record.docker_id:
        ports = ports_of(run, record.docker_id, params["labels"])
    staged = record.manifest.with_suffix(".new")
    staged.write_text(text_of(manifest_of(root, record.build, params["digests"], ports)))
    module.atomic_move(str(staged), str(record.manifest))


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        records = [read_record(Path(path)) for path in module.params["records"]]
        wanted = [record for record in records if not is_known(record, module.params["boot"])]
        if wanted and not module.check_mode:
            with orderly(), ThreadPoolExecutor(max_workers=2) as workers:
                list(workers.map(lambda record: write(module, record), wanted))
        module.exit_json(changed=bool(wanted), written=[str(record.manifest) for record in wanted])
    except (ManifestError, RootError, OSError) as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
