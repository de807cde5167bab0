#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin twine.platform.image_trial."""

from __future__ import annotations

DOCUMENTATION = r"""
module: image_trial
short_description: Refuse images that booted badly in development
version_added: 0.1.0
author: The twine.platform authors (@twine-platform)
description:
  - Every machine tells the record of its boot on its console. This reads the consoles of the machines that run an image in one environment
    and judges their boots.
  - It refuses an image of which any machine could not configure itself, did not become ready, gave no good first answer, had cold caches or
    a failed unit, and one whose quickest boot reached a stage later than the image before it did, beyond a tolerance.
  - The record of an image that is let through is kept, and its gist becomes the image's tag C(twine:boot) in that account. The next image of its
    role is compared with it; the image itself is not tried again.
options:
  environment:
    description: Account whose machines are asked.
    type: str
    default: dev
  images:
    description: Image id of each role.
    type: dict
    required: true
  records:
    description: Folder of the records that are kept, C(<image id>.json).
    type: path
    required: true
  tolerance:
    description:
      - How many times as long as with the image before it a boot may take to each stage; 1 or more.
      - One second more is always let through.
    type: float
    default: 1.25
  wait:
    description: Seconds to wait until each machine has told its record.
    type: int
    default: 120
extends_documentation_fragment:
  - twine.platform.accounts
  - twine.platform.attributes.controller
attributes:
  check_mode:
    description: Judges, keeps nothing and tags nothing.
    support: full
seealso:
  - module: twine.platform.image_bake
  - module: twine.platform.roll_out
"""

EXAMPLES = r"""
- name: Refuse an image that booted badly in dev, or slower than the one before it
  twine.platform.image_trial:
    environment: dev
    images:
      twine: ami-0123456789abcdef0
    records: releases/boots
"""

RETURN = r"""
boots:
  description: The boot record of each role's image.
  returned: success
  type: dict
"""
