#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Writes into a release file which images accounts have of their own, and which are shared with them."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release_copies
short_description: Name in a release the images that accounts have of their own, or launch in place
version_added: 0.1.0
description:
  - Writes the ids of copies into a release file, and which images are shared in place. All else in it stays as it is.
  - An account that owns the release's very image, or is to launch it in place, has no copy of it.
  - A release that was signed before has to be signed again, if that changed anything.
author:
  - The twine.platform authors (@twine-platform)
options:
  path:
    description: The release file, or a link to it.
    type: path
    required: true
  copies:
    description: Account to role to image id. Accounts that it does not name stay as they are.
    type: dict
    required: true
  shares:
    description: Account to role to image id, of what is shared with it. An account of I(copies) that it does not name has none from now on.
    type: dict
    default: {}
attributes:
  check_mode:
    description: Tells what would be written, writes nothing.
    support: full
  diff_mode:
    description: Shows the file before and after.
    support: full
seealso:
  - module: twine.platform.image_copy
  - module: twine.platform.release_signature
"""

EXAMPLES = r"""
- name: Name the copies in the release
  twine.platform.release_copies:
    path: releases/current.yml
    copies:
      prod: {twine: ami-0123456789abcdef0}

- name: Name what prod launches in place
  twine.platform.release_copies:
    path: releases/current.yml
    copies:
      prod: {twine: ami-fedcba98765432100}
    shares:
      prod: {twine: ami-fedcba98765432100}
"""

RETURN = r"""
path:
  description: The file.
  returned: always
  type: str
  sample: releases/1.0.1-0a1b2c3d.yml
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.twine.platform.plugins.module_utils._release.release import (
    YAML_IMPORT_ERROR,
    Release,
    ReleaseError,
    from_data,
    load,
    text_of,
)


def run(module: AnsibleModule) -> dict[str, Any]:
    """Compares and writes; returns the module's result."""
    path = Path(module.params["path"]).resolve()
    content, release = load(path)
    # Read again, so that what cannot be a copy is refused.
    copies, asked = module.params["copies"], module.params["shares"]
    shares = {account: images for account, images in {**release.shares, **{account: {} for account in copies}, **asked}.items() if images}
    wanted = text_of(from_data(replace(release, copies=_different(release, copies), shares=shares).as_data(), "the copies"))
    if wanted != content.decode() and not module.check_mode:
        staged = Path(module.tmpdir) / "release.yml"
        staged.write_text(wanted)
        module.atomic_move(str(staged), str(path))
    return {"changed": wanted != content.decode(), "path": str(path), "diff": {"before": content.decode(), "after": wanted}}


def _different(release: Release, copies: dict[str, Any]) -> dict[str, Any]:
    """The copies from now on: an account that owns the very image has none."""
    known = {**release.copies, **copies}
    return {
        account: own
        for account, images in known.items()
        if (own := {role: image for role, image in images.items() if image != release.images.get(role)} if isinstance(images, dict) else images)
    }


def main() -> None:
    """The only place that exits."""
    options = {
        "path": {"type": "path", "required": True},
        "copies": {"type": "dict", "required": True},
        "shares": {"type": "dict", "default": {}},
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
