#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Have an immutable aptly snapshot of exactly these packages."""

from __future__ import annotations

DOCUMENTATION = r"""
module: aptly_snapshot
short_description: Have an immutable aptly snapshot of exactly these packages
version_added: 0.1.0
description:
  - Adds to the repository what it lacks, and makes a snapshot that holds exactly the packages named, each by version,
    architecture and SHA-256. The same content is the same snapshot, whoever asks and however often.
  - Or makes one snapshot of several, with O(merge).
  - Every file is proven before the first write. A file that is cut off, altered or of another version is refused,
    and so is a version that the repository has with other content, or a version older than one it has.
  - There is one writer at a time; others wait for their turn and say for whom.
  - Runs as root on the repository machine.
author:
  - The twine.platform authors (@twine-platform)
attributes:
  check_mode:
    description: Says which snapshot there is or would be and which packages the repository lacks. Needs no files then.
    support: full
  diff_mode:
    description: Shows which packages would be added, and which replaced.
    support: full
options:
  packages:
    description: The content of the snapshot. A file lies in O(incoming), and may be left out for packages that the repository has.
  merge:
    description: Snapshots to make one of. Of a package that several have, the last one's is taken.
    type: list
    elements: str
  incoming:
    description: The folder on the repository machine with files that the repository may lack. They are removed when the snapshot has them.
    type: path
    default: /var/lib/aptly/incoming
  repository:
    description: The aptly repository that keeps every package; made when missing.
    type: str
    default: main
  component:
    description: The repository's component.
    type: str
    default: main
  distribution:
    description: The repository's distribution.
    type: str
    default: bookworm
  replace_same_version:
    description:
      - Accept a version that the repository has with other content, and replace it there. Older snapshots keep theirs.
      - For repositories from which nobody else installs, where a package is built again and again.
    type: bool
    default: false
  allow_downgrade:
    description: Accept a version older than one that the repository has.
    type: bool
    default: false
extends_documentation_fragment:
  - twine.platform.aptly
  - twine.platform.debs.named
"""

EXAMPLES = r"""
- name: Have a snapshot of one package
  twine.platform.aptly_snapshot:
    packages:
      - name: twine
        version: 1.0.0-1~deb12
        architecture: all
        sha256: 7d865e959b2466918c9863afca942d0fb89d7c9ac0c99bafc3749504ded97730
        file: twine_1.0.0-1~deb12_all.deb
  register: made

- name: Lay our packages over the distribution's
  twine.platform.aptly_snapshot:
    merge: [debian-20251124T080000Z-01234567-89abcdef0123, "{{ made.snapshot }}"]

- name: Ask which files the repository lacks
  twine.platform.aptly_snapshot:
    packages: "{{ packages }}"
  check_mode: true
  register: asked
"""

RETURN = r"""
snapshot:
  description: The snapshot's name, its time (UTC) and the digest of its content. In check mode the name may be one that would be made now.
  returned: success
  type: str
  sample: 20251124T090000Z-0123456789ab
packages:
  description: What the snapshot holds.
  returned: success
  type: list
  elements: dict
  sample:
    - name: twine
      version: 1.0.0-1~deb12
      architecture: all
      sha256: 7d865e959b2466918c9863afca942d0fb89d7c9ac0c99bafc3749504ded97730
missing:
  description: Names of the packages that the repository lacked.
  returned: success
  type: list
  elements: str
  sample: [twine]
replaced:
  description: Packages whose content was replaced, as name, version and architecture.
  returned: success
  type: list
  elements: str
  sample: []
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

from dataclasses import asdict
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.twine.platform.plugins.module_utils._packages import arguments
from ansible_collections.twine.platform.plugins.module_utils._packages.aptly import Aptly
from ansible_collections.twine.platform.plugins.module_utils._packages.entry import Deb
from ansible_collections.twine.platform.plugins.module_utils._packages.errors import PackageError
from ansible_collections.twine.platform.plugins.module_utils._packages.runner import ModuleRunner, Runner
from ansible_collections.twine.platform.plugins.module_utils._packages.snapshot import Merged, Repository, Rules, Snapshot

ARGUMENTS: dict[str, dict[str, Any]] = {
    "packages": {"type": "list", "elements": "dict", "options": arguments.PACKAGE},
    "merge": {"type": "list", "elements": "str"},
    "incoming": {"type": "path", "default": "/var/lib/aptly/incoming"},
    "repository": {"type": "str", "default": "main"},
    "component": {"type": "str", "default": "main"},
    "distribution": {"type": "str", "default": "bookworm"},
    "replace_same_version": {"type": "bool", "default": False},
    "allow_downgrade": {"type": "bool", "default": False},
    **arguments.APTLY,
}


def ensure(params: dict[str, Any], check: bool, run: Runner) -> dict[str, Any]:
    """Have the snapshot, or look whether it is there; returns the module's result."""
    aptly = Aptly.of(run, params)
    snapshot = of_several(aptly, params, check) if params["merge"] is not None else of_packages(aptly, params, check)
    replaced = [deb.label for deb in snapshot.replaced]
    return {
        "changed": snapshot.created,
        "snapshot": snapshot.name,
        "packages": [asdict(deb) for deb in snapshot.debs],
        "missing": [deb.name for deb in snapshot.missing],
        "replaced": replaced,
        **snapshot.turn.as_data(),
        "diff": {
            "before": "".join(f"{label}\n" for label in replaced),
            "after": "".join(f"{deb.label} {deb.sha256}\n" for deb in snapshot.missing),
        },
    }


def of_several(aptly: Aptly, params: dict[str, Any], check: bool) -> Snapshot:
    """One snapshot of several."""
    if not params["merge"]:
        raise PackageError("merge snapshots", "merge is empty", "Name the snapshots that it shall be made of")
    merged = Merged(aptly, tuple(params["merge"]))
    return merged.look() if check else merged.ensure(params["lock_timeout"])


def of_packages(aptly: Aptly, params: dict[str, Any], check: bool) -> Snapshot:
    """A snapshot of packages that are named."""
    packages = params["packages"]
    debs = [Deb(item["name"], item["version"], item["architecture"], item["sha256"]) for item in packages]
    if not debs:
        raise PackageError("make a snapshot", "packages is empty", "Name the packages it shall hold")
    rules = Rules(params["replace_same_version"], params["allow_downgrade"])
    repository = Repository(aptly, params["repository"], params["component"], params["distribution"], rules)
    files = {item["name"]: Path(params["incoming"]) / item["file"] for item in packages if item["file"]}
    return repository.look(debs) if check else repository.ensure(debs, files, params["lock_timeout"])


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec=ARGUMENTS,
        mutually_exclusive=[("packages", "merge")],
        required_one_of=[("packages", "merge")],
        supports_check_mode=True,
    )
    try:
        module.exit_json(**ensure(module.params, module.check_mode, ModuleRunner(module.run_command)))
    except PackageError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
