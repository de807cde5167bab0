#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Have a published distribution show one snapshot."""

from __future__ import annotations

DOCUMENTATION = r"""
module: aptly_publication
short_description: Have a published distribution show one snapshot
version_added: 0.1.0
description:
  - Publishes a snapshot of aptly, signed, with index files by hash and Signed-By, or switches an existing publication to it.
    Clients see the old snapshot or the new one, never a part of each.
  - A key that cannot sign is refused before anything is written. Files of former snapshots stay until M(twine.platform.aptly_prune).
  - An earlier publish that was interrupted is noticed and brought to its end.
  - There is one writer at a time; others wait for their turn and say for whom.
  - Runs as root on the repository machine.
author:
  - The twine.platform authors (@twine-platform)
attributes:
  check_mode:
    description: Says whether the publication would change, and writes nothing.
    support: full
  diff_mode:
    description: Shows the snapshot before and after.
    support: full
options:
  snapshot:
    description: The snapshot to show.
    type: str
    required: true
  prefix:
    description: The publication's folder below the served tree; C(.) is its root.
    type: str
    default: .
  distribution:
    description: The published distribution.
    type: str
    default: bookworm
  component:
    description: The published component.
    type: str
    default: main
  signing_key:
    description: The key to sign with, by fingerprint or address; it is in the user's keyring.
    type: str
    required: true
  trusted_keys:
    description: Further keys, by address, that the next index may be signed with; the Release file says so in Signed-By.
    type: list
    elements: str
    default: []
  origin:
    description: What the Release file says as Origin; used when the publication is made.
    type: str
    default: twine.platform
  label:
    description: What the Release file says as Label; used when the publication is made.
    type: str
    default: twine.platform
  architectures:
    description: Architectures that have an index; used when the publication is made.
    type: list
    elements: str
    default: [amd64, arm64]
  force_overwrite:
    description: Replace published files of the same name and other content. Belongs to O(twine.platform.aptly_snapshot#module:replace_same_version).
    type: bool
    default: false
extends_documentation_fragment:
  - twine.platform.aptly
"""

EXAMPLES = r"""
- name: Show a snapshot to development
  twine.platform.aptly_publication:
    snapshot: 20251124T090000Z-0123456789ab
    signing_key: repository@platform.invalid

- name: Show the very same snapshot to production
  twine.platform.aptly_publication:
    snapshot: 20251124T090000Z-0123456789ab
    signing_key: repository@platform.invalid
    prefix: prod
"""

RETURN = r"""
snapshot:
  description: The snapshot that is shown.
  returned: success
  type: str
  sample: 20251124T090000Z-0123456789ab
previous:
  description: The snapshot that was shown before; empty when there was none.
  returned: success
  type: str
  sample: 20251120T090000Z-ba9876543210
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
from ansible_collections.twine.platform.plugins.module_utils._packages.aptly import Aptly, Publication
from ansible_collections.twine.platform.plugins.module_utils._packages.errors import PackageError
from ansible_collections.twine.platform.plugins.module_utils._packages.publication import Publisher, Settings
from ansible_collections.twine.platform.plugins.module_utils._packages.runner import ModuleRunner, Runner

ARGUMENTS: dict[str, dict[str, Any]] = {
    "snapshot": {"type": "str", "required": True},
    "prefix": {"type": "str", "default": "."},
    "distribution": {"type": "str", "default": "bookworm"},
    "component": {"type": "str", "default": "main"},
    "signing_key": {"type": "str", "required": True, "no_log": False},
    "trusted_keys": {"type": "list", "elements": "str", "default": [], "no_log": False},
    "origin": {"type": "str", "default": "twine.platform"},
    "label": {"type": "str", "default": "twine.platform"},
    "architectures": {"type": "list", "elements": "str", "default": ["amd64", "arm64"]},
    "force_overwrite": {"type": "bool", "default": False},
    **arguments.APTLY,
}


def ensure(params: dict[str, Any], check: bool, run: Runner) -> dict[str, Any]:
    """Have the publication, or look whether it is as wanted; returns the module's result."""
    publisher = Publisher(
        Aptly.of(run, params),
        Settings(
            params["signing_key"],
            params["origin"],
            params["label"],
            tuple(params["architectures"]),
            params["force_overwrite"],
            tuple(params["trusted_keys"]),
        ),
    )
    wanted = Publication(params["prefix"], params["distribution"], params["component"], params["snapshot"])
    shown = publisher.look(wanted) if check else publisher.ensure(wanted, params["lock_timeout"])
    return {
        "changed": shown.changed,
        "snapshot": wanted.snapshot,
        "previous": shown.previous,
        **shown.turn.as_data(),
        "diff": {"before": f"{shown.previous}\n" if shown.previous else "", "after": f"{wanted.snapshot}\n"},
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        module.exit_json(**ensure(module.params, module.check_mode, ModuleRunner(module.run_command)))
    except PackageError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
