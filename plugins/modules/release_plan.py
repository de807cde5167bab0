#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin twine.platform.release_plan."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release_plan
short_description: Say what a release plans for the stacks of all accounts
version_added: 0.1.0
author: The twine.platform authors (@twine-platform)
description:
  - Reads the list of stacks of each account, as M(twine.platform.stack_graph) does, with the images of a release that is being made, and
    checks them against their templates. Makes no call.
  - Returns a digest of each stack, over its template's name, the output or image that each parameter comes from, its capabilities, and
    what it waits for. Values do not count, so two estates of the same stacks have the same digests, and no secret is in one.
options:
  images:
    description: Machine's role to image id.
    type: dict
    required: true
  group:
    description: Inventory group whose hosts are the accounts.
    type: str
    default: accounts
  accounts:
    description: Read these accounts instead of the whole group.
    type: list
    elements: str
  stacks_variable:
    description: Inventory variable that holds an account's list of stacks. It takes the images from the variable C(release).
    type: str
    default: stacks
  templates:
    description: Folders that are searched for templates before the collection's own C(cloudformation).
    type: list
    elements: path
    default: []
extends_documentation_fragment:
  - action_common_attributes
  - action_common_attributes.conn
  - action_common_attributes.flow
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  platform:
    platforms: all
  action:
    support: full
  async:
    support: none
  bypass_host_loop:
    support: none
  connection:
    support: none
  become:
    support: none
  delegation:
    support: none
seealso:
  - module: twine.platform.release_file
"""

EXAMPLES = r"""
- name: Read what is planned
  twine.platform.release_plan:
    images:
      twine: ami-0123456789abcdef0
"""

RETURN = r"""
plan:
  description: Digest of each stack, by C(account/stack).
  returned: success
  type: dict
  sample: {"dev/network": "7d865e959b2466918c9863afca942d0fb89d7c9ac0c99bafc3749504ded97730"}
templates:
  description: SHA-256 of each template that a stack uses, by file name.
  returned: success
  type: dict
  sample: {"network.yml": "f3b1c54f2b1d9d0a0d67a5c8e11df5d6b64be7f3a4c87aab2e0f5b4c6b8e4f12"}
"""
