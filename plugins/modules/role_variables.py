#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin twine.platform.role_variables."""

from __future__ import annotations

DOCUMENTATION = r"""
module: role_variables
short_description: Refuse variables that no role knows
version_added: 0.1.0
author: The twine.platform authors (@twine-platform)
description:
  - A role's variables begin with its name. A host's variable that does, and that the role's argument specs do not know, is a misspelt
    one; Ansible ignores it silently. This fails, and names the variable that was probably meant.
  - It runs on the controller and changes nothing.
options:
  roles:
    description: Roles of this collection that the host gets.
    type: list
    elements: str
    required: true
extends_documentation_fragment:
  - twine.platform.attributes.controller
"""

EXAMPLES = r"""
- name: Refuse variables that no role knows
  twine.platform.role_variables:
    roles: [common, nginx]
"""

RETURN = r"""
unknown:
  description: A sentence for each variable that no role knows.
  returned: always
  type: list
  elements: str
"""
