#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin twine.platform.image_copy."""

from __future__ import annotations

DOCUMENTATION = r"""
module: image_copy
short_description: Have a release's images in another account, or share them with it
version_added: 0.1.0
author: The twine.platform authors (@twine-platform)
description:
  - Copies AMIs of one account into another one, encrypted with a key of that one, and waits until they are there, telling how far they are.
  - The copies bear tags of where they came from, written from the release. Tags do not travel with an image that is shared.
  - A copy that is there, or under way, is found by its tag and the account that owns it. So it can be run again at any time, and a run that
    ended early is continued. An image that the account owns already is not copied.
  - The source and its snapshots are shared with the account for as long as the copy takes. AWS lets nobody share what its own key for EBS
    encrypted, so images must have been baked with a key whose policy lets the other account use it.
  - With I(share) nothing is copied, and the account launches the very images. They get its launch permission, their snapshots its
    volume permission; the policy of their key gets statements for it, all others stay; and the account's own
    C(AWSServiceRoleForAutoScaling) gets a grant on the key. What is there already is not written again.
  - A key's policy and the grant are written with C(account_admin_profile) of both accounts.
options:
  release:
    description: The release, as its file has it.
    type: dict
    required: true
  roles:
    description: The roles whose images are wanted; all of the release's if it is not given.
    type: list
    elements: str
  source:
    description: The account that baked the images.
    type: str
    default: dev
  target:
    description: The account that shall have them.
    type: str
    default: prod
  kms_key_id:
    description: Key of the target (id, ARN or alias) that encrypts the copies. If it is empty, its default key for EBS.
    type: str
    default: ""
  share:
    description: Whether the target shall launch the source's images in place. Then I(kms_key_id) and I(wait) mean nothing.
    type: bool
    default: false
  wait:
    description: Seconds to wait for the copies. When they are over, the copies go on.
    type: int
    default: 3600
extends_documentation_fragment:
  - twine.platform.accounts
  - twine.platform.attributes.controller
attributes:
  check_mode:
    description: Tells what would be copied and tagged, or shared.
    support: full
  diff_mode:
    description: Shows the policy of a key before and after, and what else is shared. Of copies it shows nothing.
    support: partial
seealso:
  - module: twine.platform.image_bake
  - module: twine.platform.image_reap
"""

EXAMPLES = r"""
- name: Have the release's images in prod
  twine.platform.image_copy:
    release: "{{ lookup('ansible.builtin.file', 'releases/current.yml') | from_yaml }}"
    target: prod
    kms_key_id: alias/images

- name: Let prod launch dev's images in place
  twine.platform.image_copy:
    release: "{{ lookup('ansible.builtin.file', 'releases/current.yml') | from_yaml }}"
    target: prod
    share: true
"""

RETURN = r"""
images:
  description: Role to image id in the target, or of what it shall launch in place; in check mode without those that would be copied.
  returned: success
  type: dict
  sample: {"twine": "ami-0123456789abcdef0"}
copied:
  description: The roles whose images were copied, or would be.
  returned: success
  type: list
  elements: str
shared:
  description: What of sharing was missing and is written, or would be.
  returned: success
  type: list
  elements: str
  sample: ["launch permission of image ami-0123456789abcdef0"]
"""
