#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin twine.platform.roll_out."""

from __future__ import annotations

DOCUMENTATION = r"""
module: roll_out
short_description: Roll a release out over the machines of one environment
version_added: 0.1.0
author: The twine.platform authors (@twine-platform)
description:
  - Deploys the stack of an environment's application, as M(twine.platform.stack_graph) does, once the group may be rolled over.
  - It refuses to begin while another refresh runs, while processes of the group are suspended, when fewer machines serve than the
    update policy's floor of I(live desired) capacity, and when the group is as large as it may become.
  - It never suspends scaling and never touches the group's capacity. CloudFormation leads the refresh and rolls back by itself;
    this watches, shows progress, and explains the end.
options:
  environment:
    description: Account whose application is rolled out.
    type: str
    required: true
  stack:
    description: Name of the stack.
    type: str
    default: application
  group_output:
    description: Output of the stack that names the auto scaling group.
    type: str
    default: GroupName
  target_group_output:
    description: Output of the stack with the ARN of the target group.
    type: str
    default: TargetGroupArn
  accept_full:
    description: Begin although the group is as large as it may become.
    type: bool
    default: false
  estate:
    description: Name of the estate. It is the prefix of every stack's name, and the name of its lock and journal.
    type: str
    required: true
  group:
    description: Inventory group whose hosts are the accounts.
    type: str
    default: accounts
  stacks_variable:
    description: Inventory variable that holds an account's list of stacks.
    type: str
    default: stacks
  release_file:
    description:
      - The release that the inventory's variable C(release) is to be, checked before the first call. An account that sets
        C(account_release_signers) is entered only with a release that one of those signed and that names just what is deployed.
    type: path
  templates:
    description: Folders that are searched for templates before the collection's own C(cloudformation).
    type: list
    elements: path
    default: []
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
extends_documentation_fragment:
  - twine.platform.accounts
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
  - module: twine.platform.stack_graph
"""

EXAMPLES = r"""
- name: Roll the release out in prod
  twine.platform.roll_out:
    estate: twine
    environment: prod
"""

RETURN = r"""
rollout:
  description: What was seen.
  returned: when something was rolled out
  type: dict
  contains:
    floor:
      description: Machines that had to serve all the time.
      type: int
    lowest_serving:
      description: Fewest machines that were seen serving.
      type: int
    highest_desired:
      description: Largest capacity that the group wanted meanwhile.
      type: int
    refresh:
      description: How the refresh ended.
      type: str
    versions:
      description: Machines that serve by version of the launch template, at the end.
      type: dict
    seconds:
      description: Seconds from begin to end.
      type: float
outputs:
  description: Outputs of the stacks that were looked at, by C(account/stack).
  returned: when something was rolled out
  type: dict
"""
