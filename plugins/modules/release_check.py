#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reads a release file, checks all of it, and where an account asks for one, its signature."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release_check
short_description: Read a release file, check all of it, and its signature
version_added: 0.1.0
description:
  - Reads a release file and refuses it, with file, key and remedy, when it is not one.
  - With O(signers), refuses it also when it is not signed, when it was altered after it was signed, or when its key is not allowed.
    What is returned is what was checked, byte for byte.
  - M(twine.platform.stack_graph) and M(twine.platform.roll_out) do this by themselves before they enter an account that sets
    C(account_release_signers).
author:
  - The twine.platform authors (@twine-platform)
options:
  path:
    description: The release file. Its signature lies beside it, with C(.sig) added to its name.
    type: path
    required: true
  signers:
    description: File of allowed signers, as C(ssh-keygen) knows it. Without it a signature is not asked for.
    type: path
  account:
    description: Name of the account that asks for the signature, for messages.
    type: str
    default: ""
extends_documentation_fragment:
  - twine.platform.attributes.reader
requirements:
  - C(ssh-keygen) of OpenSSH 8.2 or newer, for signatures
seealso:
  - module: twine.platform.release_signature
"""

EXAMPLES = r"""
- name: Refuse a release that nobody approved
  twine.platform.release_check:
    path: releases/1.0.1-0a1b2c3d.yml
    signers: inventories/example/release_signers.txt
    account: prod
"""

RETURN = r"""
release:
  description: The release, as it was checked.
  returned: success
  type: dict
contents:
  description: All packages of its snapshot, ours and the distribution's, as M(twine.platform.repository_index) takes them.
  returned: success
  type: list
  elements: dict
path:
  description: The file, links followed.
  returned: success
  type: str
signer:
  description: Name of the signer, as the file of allowed signers has it; empty when it was not asked for.
  returned: success
  type: str
  sample: ada@example.org
"""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.twine.platform.plugins.module_utils._packages.runner import ModuleRunner
from ansible_collections.twine.platform.plugins.module_utils._release.release import YAML_IMPORT_ERROR, ReleaseError, load
from ansible_collections.twine.platform.plugins.module_utils._release.signature import Signatures


def run(module: AnsibleModule) -> dict[str, Any]:
    """Reads and checks; returns the module's result."""
    # A pointer such as current.yml has no signature; the release that it points to may have one.
    path = Path(module.params["path"]).resolve()
    content, release = load(path)
    signer = ""
    if module.params["signers"]:
        signer = Signatures(ModuleRunner(module.run_command)).signer(path, content, Path(module.params["signers"]), module.params["account"])
    packages = {**release.packages, **release.distribution}
    contents = [{"name": name.split(":")[0], **asdict(package)} for name, package in packages.items()]
    return {"changed": False, "release": release.as_data(), "contents": contents, "path": str(path), "signer": signer}


def main() -> None:
    """The only place that exits."""
    options = {
        "path": {"type": "path", "required": True},
        "signers": {"type": "path"},
        "account": {"type": "str", "default": ""},
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
