#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Writes a release file: the one small file that names everything a release is made of."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release_file
short_description: Write the file that names everything a release is made of
version_added: 0.1.0
description:
  - Writes a release as YAML, after checking every key of it.
  - A release that was written is immutable. The same content again changes nothing, other content under the same name is refused.
author:
  - The twine.platform authors (@twine)
options:
  path:
    description: The file to write.
    type: path
    required: true
  release:
    description:
      - The release, with the keys V(name), V(snapshot), V(commit), V(packages) (name to C(version), C(architecture) and C(sha256)), V(images)
        (role to image id), V(bake_keys) (role to digest) and V(templates) (file name to SHA-256).
    type: dict
    required: true
  replace:
    description: Whether a file of that path with other content may be replaced, as for the pointer to the current release.
    type: bool
    default: false
attributes:
  check_mode:
    description: Tells what would be written, writes nothing.
    support: full
  diff_mode:
    description: Shows the difference between the two releases.
    support: full
"""

EXAMPLES = r"""
- name: Name what this release is made of
  twine.platform.release_file:
    path: releases/1.0.1.yml
    release: "{{ release }}"
"""

RETURN = r"""
differences:
  description: What changed from the file that was there, a sentence each; empty for a new file.
  returned: always
  type: list
  elements: str
  sample: ["package twine: 1.0.0-1~deb12 → 1.0.1-1~deb12"]
"""

import traceback
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.twine.platform.plugins.module_utils._release.release import Release, ReleaseError, difference, from_data

try:
    import yaml
except ImportError:
    YAML_IMPORT_ERROR = traceback.format_exc()
else:
    YAML_IMPORT_ERROR = ""


def text_of(release: Release) -> str:
    """The release as the YAML text that is written."""
    head = "# Written by playbooks/release.yml. What is changed here by hand is refused.\n---\n"
    return head + str(yaml.safe_dump(release.as_data(), sort_keys=False))


def run(module: AnsibleModule) -> dict[str, Any]:
    """Compares, refuses or writes; returns the module's result."""
    path = Path(module.params["path"])
    release = from_data(module.params["release"])
    wanted = text_of(release)
    present = path.read_text() if path.exists() else ""
    differences = difference(from_data(yaml.safe_load(present)), release) if present else []
    changed = present != wanted
    if changed and present and not module.params["replace"]:
        raise ReleaseError(f"Failed to write release {release.name}: {path} holds other content. Give the release another name.")
    if changed and not module.check_mode:
        path.parent.mkdir(parents=True, exist_ok=True)
        module.atomic_move(_staged(module, wanted), str(path))
    return {"changed": changed, "differences": differences, "diff": {"before": present, "after": wanted}}


def _staged(module: AnsibleModule, text: str) -> str:
    staged = Path(module.tmpdir) / "release.yml"
    staged.write_text(text)
    return str(staged)


def main() -> None:
    """The only place that exits."""
    options = {
        "path": {"type": "path", "required": True},
        "release": {"type": "dict", "required": True},
        "replace": {"type": "bool", "default": False},
    }
    module = AnsibleModule(argument_spec=options, supports_check_mode=True)
    if YAML_IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("PyYAML"), exception=YAML_IMPORT_ERROR)
    try:
        module.exit_json(**run(module))
    except (ReleaseError, OSError) as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
