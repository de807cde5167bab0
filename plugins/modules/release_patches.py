#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Lists what the distribution mended since a release."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release_patches
short_description: List what the distribution mended since a release
version_added: 0.1.0
description:
  - Compares the distribution's packages of a release with those of a published snapshot, and reads out of the newer packages' own
    changelogs which advisories they close and when each fix was made.
  - Runs on the repository's machine, where the packages lie. Changes nothing.
author:
  - The twine.platform authors (@twine)
options:
  running:
    description: The release to look at, as in a release file.
    type: dict
    required: true
  snapshot:
    description: The published snapshot, as C(playbooks/publish_packages.yml) notes it.
    type: dict
    required: true
  tree:
    description: Folder of the tree that the snapshot is published in.
    type: path
    default: /var/lib/aptly/public
attributes:
  check_mode:
    description: The module only reads.
    support: full
  diff_mode:
    description: The module changes nothing.
    support: none
requirements:
  - C(dpkg-deb)
"""

EXAMPLES = r"""
- name: List what the running release leaves open
  twine.platform.release_patches:
    running: "{{ lookup('ansible.builtin.file', 'releases/prod.yml') | from_yaml }}"
    snapshot: "{{ lookup('ansible.builtin.file', 'build/releases/snapshot.json') | from_json }}"
"""

RETURN = r"""
lines:
  description: All of it as lines, for a person.
  returned: success
  type: list
  elements: str
fixes:
  description: Packages whose newer version mends something that an attacker could use, the oldest fix first.
  returned: success
  type: list
  elements: dict
  sample:
    - {name: libssl3, before: 3.0.15-1~deb12u1, after: 3.0.16-1~deb12u1, advisories: [CVE-2024-13176], since: "2025-02-11T20:01:33+00:00", days: 12}
others:
  description: Packages that are newer without such a fix, and how.
  returned: success
  type: dict
  sample: {tzdata: 2025b-0+deb12u1}
oldest_days:
  description: Age in days of the oldest fix that the running release lacks; 0 without any.
  returned: success
  type: int
  sample: 12
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.twine.platform.plugins.module_utils._packages.errors import PackageError
from ansible_collections.twine.platform.plugins.module_utils._packages.runner import ModuleRunner
from ansible_collections.twine.platform.plugins.module_utils._release import patches
from ansible_collections.twine.platform.plugins.module_utils._release.changelogs import Tree
from ansible_collections.twine.platform.plugins.module_utils._release.record import contents
from ansible_collections.twine.platform.plugins.module_utils._release.release import ReleaseError, from_data


def run(module: AnsibleModule, now: datetime) -> dict[str, Any]:
    """Compares and reads; returns the module's result."""
    running = from_data(module.params["running"], "the running release")
    candidate = from_data({**running.as_data(), **contents(module.params["snapshot"])}, "the snapshot").distribution
    tree = Tree(ModuleRunner(module.run_command), Path(module.params["tree"]), Path(module.tmpdir))
    names = {name: candidate[name].sha256 for name in patches.moved(running.distribution, candidate)}
    texts = tree.changelogs(names.values()) if names else {}
    report = patches.report(running.distribution, candidate, {name: texts[digest] for name, digest in names.items() if digest in texts})
    return {
        "changed": False,
        "lines": patches.told(report, now),
        "fixes": [_data(update, now) for update in report.fixes],
        "others": {update.name: update.after for update in report.others},
        "oldest_days": report.oldest(now),
    }


def _data(update: patches.Update, now: datetime) -> dict[str, Any]:
    return {
        "name": update.name,
        "before": update.before,
        "after": update.after,
        "advisories": list(update.advisories),
        "since": update.since.isoformat() if update.since else "",
        "days": update.days(now),
    }


def main() -> None:
    """The only place that exits."""
    options = {
        "running": {"type": "dict", "required": True},
        "snapshot": {"type": "dict", "required": True},
        "tree": {"type": "path", "default": "/var/lib/aptly/public"},
    }
    module = AnsibleModule(argument_spec=options, supports_check_mode=True)
    try:
        module.exit_json(**run(module, datetime.now(UTC)))
    except (ReleaseError, PackageError, OSError) as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
