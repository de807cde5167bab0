#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin twine.platform.image_reap."""

from __future__ import annotations

DOCUMENTATION = r"""
module: image_reap
short_description: Find and remove what bakes left behind, and images that nobody uses
version_added: 0.1.0
author: The twine.platform authors (@twine-platform)
description:
  - Finds builders that have run for too long, with their disks, key pairs and security groups, by the tags that a bake gives them.
  - Finds images and snapshots of ours that no release file names and that no launch template (in any version) and no machine uses.
  - Says what it found and why. It removes nothing unless O(apply) is set.
  - What bears none of our tags, and what is younger than O(older_than), is left alone. If an account cannot be looked into as a whole,
    nothing is removed in any.
options:
  accounts:
    description: The accounts to look into.
    type: list
    elements: str
    default: [dev, prod, bastion]
  releases:
    description: Folder of all release files (C(*.yml)) that may be deployed again. What they name, and the copies of that, is kept.
    type: path
    required: true
  older_than:
    description: Hours before which nothing counts as left behind.
    type: float
    default: 24.0
  apply:
    description: Whether to remove what was found.
    type: bool
    default: false
extends_documentation_fragment:
  - twine.platform.accounts
  - twine.platform.attributes.controller
attributes:
  check_mode:
    description: Removes nothing, whatever O(apply) says.
    support: full
seealso:
  - module: twine.platform.image_bake
  - module: twine.platform.image_copy
"""

EXAMPLES = r"""
- name: Say what bakes left behind
  twine.platform.image_reap:
    releases: releases

- name: Remove it
  twine.platform.image_reap:
    releases: releases
    older_than: 6
    apply: true
"""

RETURN = r"""
left:
  description: What was found in each account, in the order in which it goes.
  returned: success
  type: dict
  sample: {"dev": [{"kind": "image", "id": "ami-0123456789abcdef0", "why": "twine-0a1b2c3d4e5f: no release names it …"}]}
report:
  description: The same, a line each, for people.
  returned: success
  type: list
  elements: str
removed:
  description: Whether it was removed.
  returned: success
  type: bool
"""
