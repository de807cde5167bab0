#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin twine.platform.provenance."""

from __future__ import annotations

DOCUMENTATION = r"""
module: provenance
short_description: Tell which role wrote which file on a host
version_added: 0.1.0
author: The twine.platform authors (@twine-platform)
description:
  - Returns the files that tasks of roles have written on the host since this run of ansible-playbook began, as the callback plugin
    C(twine.platform.provenance) has noted them. Where that is not enabled, nothing was noted.
  - It runs on the controller and changes nothing. Role C(image)'s entry point C(provenance) leaves the answer on the machine.
extends_documentation_fragment:
  - twine.platform.attributes.controller
"""

EXAMPLES = r"""
- name: Ask which role wrote which file
  twine.platform.provenance:
  register: provenance
"""

RETURN = r"""
files:
  description: The files, by path.
  returned: always
  type: list
  elements: dict
  contains:
    path:
      description: Where it lies on the host.
      type: str
    role:
      description: The role whose task wrote it last.
      type: str
    task:
      description: That task's name.
      type: str
    source:
      description: The template or file it was made from; empty for values alone.
      type: str
"""
