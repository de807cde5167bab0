#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tells two releases apart, in a reader's order."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release_diff
short_description: Tell two releases apart
version_added: 0.1.0
description:
  - Reads two release files and says what differs, in the order in which a reader asks. First the application, then the libraries, the
    images, and the stacks.
author:
  - The twine.platform authors (@twine)
options:
  old:
    description: The release file to begin at.
    type: path
    required: true
  new:
    description: The release file to end at.
    type: path
    required: true
  application:
    description: Name of the package that users notice. All others are libraries.
    type: str
    default: twine
attributes:
  check_mode:
    description: The module only reads.
    support: full
  diff_mode:
    description: The module changes nothing.
    support: none
"""

EXAMPLES = r"""
- name: Say what would come with the new release
  twine.platform.release_diff:
    old: releases/prod.yml
    new: releases/current.yml
"""

RETURN = r"""
lines:
  description: The whole difference as lines, for a person.
  returned: success
  type: list
  elements: str
sections:
  description: The changes by section, C(application), C(libraries), C(images) and C(stacks).
  returned: success
  type: dict
  sample:
    application:
      - {kind: package, what: twine, before: 1.0.0-1~deb12, after: 1.0.1-1~deb12}
    libraries: []
    images: []
    stacks: []
"""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.twine.platform.plugins.module_utils._release.difference import difference, told
from ansible_collections.twine.platform.plugins.module_utils._release.release import YAML_IMPORT_ERROR, ReleaseError, load


def run(module: AnsibleModule) -> dict[str, Any]:
    """Reads both and compares; returns the module's result."""
    (_old, old), (_new, new) = (load(Path(module.params[which])) for which in ("old", "new"))
    sections = difference(old, new, module.params["application"])
    changes = {section.title: [asdict(change) for change in section.changes] for section in sections}
    return {"changed": False, "lines": told(old, new, sections), "sections": changes}


def main() -> None:
    """The only place that exits."""
    options = {
        "old": {"type": "path", "required": True},
        "new": {"type": "path", "required": True},
        "application": {"type": "str", "default": "twine"},
    }
    module = AnsibleModule(argument_spec=options, supports_check_mode=True)
    if YAML_IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("PyYAML"), exception=YAML_IMPORT_ERROR)
    try:
        module.exit_json(**run(module))
    except ReleaseError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
