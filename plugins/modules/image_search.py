#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Find the images that contain a package at a version."""

from __future__ import annotations

DOCUMENTATION = r"""
module: image_search
short_description: Find the images that contain a package at a version
version_added: 0.1.0
description:
  - Reads the manifests that M(twine.platform.image_manifest) wrote, so neither an image nor a machine is started.
  - Reads only.
author:
  - The twine.platform authors (@twine)
options:
  folder:
    description: The folder of the manifests, as V(build/images).
    type: path
    required: true
  package:
    description: The package's name, or a pattern such as V(libssl*).
    type: str
    required: true
  version:
    description: Its version, or a pattern such as V(3.0.*). All versions, if it is not given.
    type: str
    default: "*"
attributes:
  check_mode:
    description: The module writes nothing anyway.
    support: full
  diff_mode:
    description: The module writes nothing.
    support: none
"""

EXAMPLES = r"""
- name: Find the images with a library that must go
  twine.platform.image_search:
    folder: build/images
    package: libssl3
    version: 3.0.15-1~deb12u1
"""

RETURN = r"""
images:
  description: The images that have it, a line each, with the package and its version.
  returned: always
  type: list
  elements: str
  sample: ["twine docker 85f37ca2ce16d9a1f (bake key 6cecda9b0c74, base c1af2d8ce16c): libssl3 3.0.15-1~deb12u1"]
searched:
  description: How many manifests were read.
  returned: always
  type: int
  sample: 4
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.twine.platform.plugins.module_utils._images.manifest import ManifestError, build_of, load, packages_like

ARGUMENTS: dict[str, dict[str, Any]] = {
    "folder": {"type": "path", "required": True},
    "package": {"type": "str", "required": True},
    "version": {"type": "str", "default": "*"},
}


def search(folder: Path, package: str, version: str) -> dict[str, Any]:
    """Look into every manifest of the folder; returns the module's result."""
    manifests = [load(path) for path in sorted(folder.glob("*.manifest.json"))]
    if not manifests:
        raise ManifestError(f"Failed to search {folder} for {package}: no manifest is there. Bake the images, which writes them.")
    images = [f"{build_of(one)}: {name} {found}" for one in manifests for name, found in packages_like(one, package, version)]
    return {"images": images, "searched": len(manifests)}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    params = module.params
    try:
        module.exit_json(changed=False, **search(Path(params["folder"]), params["package"], params["version"]))
    except (ManifestError, OSError) as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
