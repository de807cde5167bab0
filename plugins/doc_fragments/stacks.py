# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Options of modules that read the stacks of accounts, and of those that deploy them."""

from __future__ import annotations


class ModuleDocFragment:
    """Where the stacks stand, and how a deploy goes about them."""

    DOCUMENTATION = r"""
options:
  group:
    description: Inventory group whose hosts are the accounts.
    type: str
    default: accounts
  stacks_variable:
    description:
      - Inventory variable that holds an account's list of stacks. Keys of an entry are C(name), C(template), C(parameters),
        C(capabilities), C(tags), C(protection), C(stateful), C(after), C(credentials) and C(timeout).
    type: str
    default: stacks
  templates:
    description: Folders that are searched for templates before the collection's own C(cloudformation).
    type: list
    elements: path
    default: []
"""

    DEPLOY = r"""
options:
  estate:
    description: Name of the estate. It is the prefix of every stack's name, and the name of its lock and journal.
    type: str
    required: true
  release_file:
    description:
      - The release that the inventory's variable C(release) is to be, checked before the first call. An account that sets
        C(account_release_signers) is entered only with a release that one of those signed and that names just what is deployed.
    type: path
  state_dir:
    description: Folder for lock, journal and recorded durations. By default C(twine.platform) in the user's cache folder.
    type: path
  parallel:
    description: How many stacks of one account are worked on at the same time.
    type: int
    default: 8
  lock_wait:
    description: Seconds to wait for another deploy of this estate to end.
    type: int
    default: 900
"""
