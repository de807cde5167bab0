#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Signs a release file: the approval that an account with allowed signers asks for."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release_signature
short_description: Sign a release file
version_added: 0.1.0
description:
  - Writes a detached signature beside a release file, by an SSH key, unless one of an allowed signer is there.
  - The file is checked first; what is no release is not signed. After signing, the signature must be one that O(signers) allows.
author:
  - The twine.platform authors (@twine-platform)
options:
  path:
    description: The release file. A pointer is followed, and the release that it points to is signed.
    type: path
    required: true
  key:
    description: The private key, or the public key of one that an agent or a hardware token holds.
    type: path
    required: true
  signers:
    description: File of allowed signers.
    type: path
    required: true
attributes:
  check_mode:
    description: Tells whether it would be signed, writes nothing.
    support: full
  diff_mode:
    description: A signature says nothing to a reader.
    support: none
requirements:
  - C(ssh-keygen) of OpenSSH 8.2 or newer
seealso:
  - module: twine.platform.release_check
"""

EXAMPLES = r"""
- name: Approve what dev runs
  twine.platform.release_signature:
    path: releases/1.0.1-0a1b2c3d.yml
    key: ~/.ssh/release.pub
    signers: inventories/example/release_signers.txt
"""

RETURN = r"""
signer:
  description: Name of the signer, as the file of allowed signers has it; empty when check mode would sign.
  returned: success
  type: str
  sample: ada@example.org
"""

import contextlib
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.twine.platform.plugins.module_utils._packages.runner import ModuleRunner
from ansible_collections.twine.platform.plugins.module_utils._release.release import YAML_IMPORT_ERROR, ReleaseError, load
from ansible_collections.twine.platform.plugins.module_utils._release.signature import ENDING, Signatures

ASKED_BY = "that it is promoted for"


def run(module: AnsibleModule) -> dict[str, Any]:
    """Looks for a good signature, signs without one, and looks again; returns the module's result."""
    path, signers = Path(module.params["path"]).resolve(), Path(module.params["signers"])
    content, _release = load(path)
    signatures = Signatures(ModuleRunner(module.run_command))
    with contextlib.suppress(ReleaseError):
        return {"changed": False, "signer": signatures.signer(path, content, signers, ASKED_BY)}
    if module.check_mode:
        return {"changed": True, "signer": ""}
    signatures.sign(path, Path(module.params["key"]))
    try:
        return {"changed": True, "signer": signatures.signer(path, content, signers, ASKED_BY)}
    except ReleaseError:
        # What nobody accepts must not lie there and look like an approval.
        path.with_name(path.name + ENDING).unlink(missing_ok=True)
        raise


def main() -> None:
    """The only place that exits."""
    options = {name: {"type": "path", "required": True} for name in ("path", "key", "signers")}
    options["key"]["no_log"] = False
    module = AnsibleModule(argument_spec=options, supports_check_mode=True)
    if YAML_IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("PyYAML"), exception=YAML_IMPORT_ERROR)
    try:
        module.exit_json(**run(module))
    except (ReleaseError, OSError) as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
