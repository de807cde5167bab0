#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Prove that images are the same, by their manifests."""

from __future__ import annotations

DOCUMENTATION = r"""
module: image_parity
short_description: Prove that images are the same, by their manifests
version_added: 0.1.0
description:
  - Compares manifests that M(twine.platform.image_manifest) wrote. Fails on any difference that O(allowed) does not name, and says of each
    which package or role to look at.
  - Refuses to compare a converge with itself. Reads only.
author:
  - The twine.platform authors (@twine-platform)
options:
  manifest:
    description: The manifest that the others are compared with.
    type: path
    required: true
  others:
    description: The manifests to compare with it.
    type: list
    elements: path
    required: true
  allowed:
    description:
      - The list of what may differ. Each entry has C(path), which is exact, or C(folder) for all that lies in it, and the C(reason). With
        C(aspects), such as V([sha256]), only these may differ.
    type: list
    elements: dict
    required: true
  independent:
    description: Whether at least one of O(others) must have been made on another base than O(manifest).
    type: bool
    default: true
  began:
    description:
      - The manifests of what O(manifest) and O(others) were made upon, in that order, where these cannot be alike. A virtual machine has a
        kernel, a container has none. What differs between the two is not held against the images, and counted.
    type: list
    elements: path
    default: []
attributes:
  diff_mode:
    description: The differences are the result.
extends_documentation_fragment:
  - twine.platform.attributes.reader
"""

EXAMPLES = r"""
- name: Prove that box and image are the same
  twine.platform.image_parity:
    manifest: build/images/twine.manifest.json
    others: [build/images/twine.box.manifest.json]
    allowed: "{{ prove_allowed }}"
"""

RETURN = r"""
report:
  description: For each comparison the two builds, and how much was compared. Where they differ, the error message says it.
  returned: success
  type: list
  elements: str
differences:
  description: How many differences are not allowed, over all comparisons.
  returned: when the images could be compared
  type: int
  sample: 0
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.twine.platform.plugins.module_utils._images.manifest import ManifestError, load
from ansible_collections.twine.platform.plugins.module_utils._images.parity import allowances, compare

ARGUMENTS: dict[str, dict[str, Any]] = {
    "manifest": {"type": "path", "required": True},
    "others": {"type": "list", "elements": "path", "required": True},
    "allowed": {"type": "list", "elements": "dict", "required": True},
    "independent": {"type": "bool", "default": True},
    "began": {"type": "list", "elements": "path", "default": []},
}


def prove(params: dict[str, Any]) -> dict[str, Any]:
    """Compare one with each of the others; returns the module's result."""
    first = load(Path(params["manifest"]))
    allowed = allowances(params["allowed"], "what may differ")
    if len(params["began"]) not in (0, 2):
        raise ManifestError(f"Failed to prove parity of {params['manifest']}: began names {len(params['began'])} manifests. Give two, or none.")
    began = [load(Path(path)) for path in params["began"]]
    comparisons = [compare(first, load(Path(path)), allowed, began) for path in params["others"]]
    if params["independent"] and not any(comparison.independent for comparison in comparisons):
        raise ManifestError(
            f"Failed to prove parity of {params['manifest']}: none of the others was made on a base of its own. Run make parity, which makes one."
        )
    return {
        "report": [line for comparison in comparisons for line in comparison.lines()],
        "differences": sum(len(comparison.differences) for comparison in comparisons),
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        result = prove(module.params)
    except (ManifestError, OSError) as error:
        module.fail_json(msg=str(error))
    if result["differences"]:
        what = "Failed to find the images equal. Look where each line points; what must differ belongs, with its reason, into the allow-list."
        module.fail_json(msg="\n".join([what, *result["report"]]), differences=result["differences"])
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
