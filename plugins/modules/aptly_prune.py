#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Forget snapshots that no live release reaches."""

from __future__ import annotations

DOCUMENTATION = r"""
module: aptly_prune
short_description: Forget snapshots that no live release reaches
version_added: 0.1.0
description:
  - Drops snapshots that M(twine.platform.aptly_snapshot) and M(twine.platform.aptly_mirror) made, when no live release names them,
    nothing published shows them, and they are not the newest of their distribution. Snapshots of other names are left alone.
  - Removes packages from the repository that no snapshot is left to hold, and the files of both.
  - There is one writer at a time; others wait for their turn and say for whom.
  - Runs as root on the repository machine.
author:
  - The twine.platform authors (@twine-platform)
attributes:
  check_mode:
    description: Says what would go, and writes nothing.
    support: full
  diff_mode:
    description: Shows what goes.
    support: full
options:
  live:
    description: The snapshots that live releases name, in upper or lower case.
    type: list
    elements: str
    required: true
  repository:
    description: The aptly repository that keeps every package.
    type: str
    default: main
  signing_key:
    description: The key that what is published is signed with.
    type: str
    required: true
  trusted_keys:
    description: Further keys, by address, that the next index may be signed with.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - twine.platform.aptly
"""

EXAMPLES = r"""
- name: Keep what two releases need
  twine.platform.aptly_prune:
    live: [20251124T090000Z-0123456789ab, 20251120T090000Z-ba9876543210]
    signing_key: repository@platform.invalid
"""

RETURN = r"""
dropped:
  description: Snapshots that went.
  returned: success
  type: list
  elements: str
  sample: [20251001T090000Z-00112233aabb]
kept:
  description: Snapshots that stayed.
  returned: success
  type: list
  elements: str
  sample: [20251124T090000Z-0123456789ab]
absent:
  description: Snapshots that a live release names and this repository has not. Such a release cannot be had again from here.
  returned: success
  type: list
  elements: str
  sample: []
packages:
  description: Packages that left the repository, as name, version and architecture.
  returned: success
  type: list
  elements: str
  sample: [twine_1.0.0-1~deb12_all]
waited:
  description: Seconds waited for another writer.
  returned: success
  type: float
  sample: 0.0
waited_for:
  description: The writer waited for.
  returned: success
  type: str
  sample: ""
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.twine.platform.plugins.module_utils._packages import arguments
from ansible_collections.twine.platform.plugins.module_utils._packages.aptly import Aptly
from ansible_collections.twine.platform.plugins.module_utils._packages.errors import PackageError
from ansible_collections.twine.platform.plugins.module_utils._packages.prune import Pruner
from ansible_collections.twine.platform.plugins.module_utils._packages.publication import Publisher, Settings
from ansible_collections.twine.platform.plugins.module_utils._packages.runner import ModuleRunner, Runner

ARGUMENTS: dict[str, dict[str, Any]] = {
    "live": {"type": "list", "elements": "str", "required": True},
    "repository": {"type": "str", "default": "main"},
    "signing_key": {"type": "str", "required": True, "no_log": False},
    "trusted_keys": {"type": "list", "elements": "str", "default": [], "no_log": False},
    **arguments.APTLY,
}


def prune(params: dict[str, Any], check: bool, run: Runner) -> dict[str, Any]:
    """Prune, or look what would go; returns the module's result."""
    aptly = Aptly.of(run, params)
    # Origin and label stand in what is published already.
    settings = Settings(params["signing_key"], "", "", trusted_keys=tuple(params["trusted_keys"]))
    pruner = Pruner(Publisher(aptly, settings), params["repository"])
    done = pruner.look(params["live"]) if check else pruner.prune(params["live"], params["lock_timeout"])
    gone = [*done.dropped, *(deb.label for deb in done.packages)]
    return {
        "changed": bool(gone),
        "dropped": done.dropped,
        "kept": done.kept,
        "absent": done.absent,
        "packages": [deb.label for deb in done.packages],
        **done.turn.as_data(),
        "diff": {"before": "".join(f"{name}\n" for name in gone), "after": ""},
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        module.exit_json(**prune(module.params, module.check_mode, ModuleRunner(module.run_command)))
    except PackageError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
