#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Have a frozen snapshot of the part of a distribution that machines need."""

from __future__ import annotations

DOCUMENTATION = r"""
module: aptly_mirror
short_description: Have a frozen snapshot of the part of a distribution that machines need
version_added: 0.1.0
description:
  - Mirrors, of several suites of a distribution, the packages that are named, what packages of ours depend on, what the
    distribution itself requires on every machine, and all their dependencies. Of a package that several suites have, the
    newest version is taken.
  - The result is frozen as a snapshot, and reused as long as the same is asked for. The distribution is asked again only with
    O(refresh), or when what is asked for has changed.
  - aptly verifies the distribution's signature. What the suites cannot give is named, and nothing is frozen then.
  - There is one writer at a time; others wait for their turn and say for whom.
  - Runs as root on the repository machine.
author:
  - The twine.platform authors (@twine-platform)
attributes:
  check_mode:
    description: Says which snapshot there is, or that it would be made; fetches and writes nothing.
    support: full
  diff_mode:
    description: Shows the packages before and after. Without asking the distribution nobody knows them, so in check mode they are the same.
    support: full
options:
  name:
    description: The distribution's name, with which snapshots and mirrors begin.
    type: str
    default: debian
  suites:
    description: The suites. The first is the whole distribution, the others, such as its security suite, lie over it.
    type: list
    elements: dict
    required: true
    suboptions:
      url:
        description: The archive's address; without one it is where apt on this machine gets that suite.
        type: str
        default: ""
      suite:
        description: The suite's name.
        type: str
        required: true
      components:
        description: Its components.
        type: list
        elements: str
        default: [main]
  architectures:
    description: Debian architectures of the machines.
    type: list
    elements: str
    default: [amd64]
  keyring:
    description: The distribution's keys, a file on the machine.
    type: path
    default: /usr/share/keyrings/debian-archive-keyring.gpg
  packages:
    description: Names of packages that machines install.
    type: list
    elements: str
    required: true
  for_snapshots:
    description: Snapshots whose packages shall be installable too, in their versions. What they hold themselves is not mirrored.
    type: list
    elements: str
    default: []
  refresh:
    description: Ask the distribution what it has today.
    type: bool
    default: false
extends_documentation_fragment:
  - twine.platform.aptly
"""

EXAMPLES = r"""
- name: Mirror what a web server needs
  twine.platform.aptly_mirror:
    suites:
      - suite: bookworm
      - suite: bookworm-security
    packages: [nginx]
"""

RETURN = r"""
snapshot:
  description: The snapshot's name; in check mode empty when it would be made.
  returned: success
  type: str
  sample: debian-20251124T080000Z-01234567-89abcdef0123
packages:
  description: What the snapshot holds.
  returned: success
  type: list
  elements: dict
  sample:
    - name: nginx
      version: 1.22.1-9+deb12u1
      architecture: amd64
      sha256: 7d865e959b2466918c9863afca942d0fb89d7c9ac0c99bafc3749504ded97730
roots:
  description: The names that were asked for, dependencies of O(for_snapshots) among them.
  returned: success
  type: list
  elements: str
  sample: [nginx]
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
from ansible_collections.twine.platform.plugins.module_utils._packages.mirror import Frozen, Mirror, Suite, addressed
from ansible_collections.twine.platform.plugins.module_utils._packages.runner import ModuleRunner, Runner

SUITE: dict[str, dict[str, Any]] = {
    "url": {"type": "str", "default": ""},
    "suite": {"type": "str", "required": True},
    "components": {"type": "list", "elements": "str", "default": ["main"]},
}

ARGUMENTS: dict[str, dict[str, Any]] = {
    "name": {"type": "str", "default": "debian"},
    "suites": {"type": "list", "elements": "dict", "required": True, "options": SUITE},
    "architectures": {"type": "list", "elements": "str", "default": ["amd64"]},
    "keyring": {"type": "path", "default": "/usr/share/keyrings/debian-archive-keyring.gpg"},
    "packages": {"type": "list", "elements": "str", "required": True},
    "for_snapshots": {"type": "list", "elements": "str", "default": []},
    "refresh": {"type": "bool", "default": False},
    **arguments.APTLY,
}


def ensure(params: dict[str, Any], check: bool, run: Runner) -> dict[str, Any]:
    """Have the snapshot, or look whether it is there; returns the module's result."""
    if not params["suites"]:
        raise PackageError(f"mirror {params['name']}", "suites is empty", "Name the suites of the distribution, the whole one first")
    keyring = Path(params["keyring"])
    if not keyring.is_file():
        raise PackageError(f"mirror {params['name']}", f"its keyring {keyring} is not there", "Install the distribution's keyring package")
    suites = addressed([Suite(item["url"], item["suite"], tuple(item["components"])) for item in params["suites"]], run)
    aptly = Aptly.of(run, params)
    mirror = Mirror(aptly, params["name"], suites, tuple(params["architectures"]), keyring)
    own = mirror.own(params["for_snapshots"])
    roots = mirror.roots(params["packages"], own)
    frozen = look(mirror, roots, params["refresh"]) if check else mirror.ensure(roots, own, params["refresh"], params["lock_timeout"])
    return {
        "changed": frozen.created,
        "snapshot": frozen.name,
        "packages": [asdict(deb) for deb in frozen.debs],
        "roots": roots,
        **frozen.turn.as_data(),
        "diff": {"before": _lines(frozen.before), "after": _lines(frozen.debs)},
    }


def look(mirror: Mirror, roots: list[str], refresh: bool) -> Frozen:
    """What there is; with refresh nobody knows, without asking the distribution, whether it will stay."""
    name = mirror.frozen(roots)
    debs = tuple(mirror.aptly.snapshot_debs(name)) if name else ()
    return Frozen(name, refresh or not name, debs, debs)


def _lines(debs: tuple[Deb, ...]) -> str:
    return "".join(f"{deb.label} {deb.sha256}\n" for deb in debs)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        module.exit_json(**ensure(module.params, module.check_mode, ModuleRunner(module.run_command)))
    except PackageError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
