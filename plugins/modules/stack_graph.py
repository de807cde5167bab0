#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin twine.platform.stack_graph."""

from __future__ import annotations

DOCUMENTATION = r"""
module: stack_graph
short_description: Plan and deploy the CloudFormation stacks of all accounts as one graph
version_added: 0.1.0
author: The twine.platform authors (@twine-platform)
description:
  - Reads a list of stacks from each account's inventory variables. A parameter's value may be an output of another stack,
    of whatever account; these references make one graph over all accounts.
  - Refuses what cannot work before the first call. Looks at every account with one call, compares digests, and makes a
    change set for each stack that differs, to create it as well as to update it. It is executed exactly as planned.
  - A stack starts the moment its own parents are done, the longest remaining path first, by the durations recorded the last
    time. When a stack fails, what runs ends, nothing new begins, and the first failures are told.
  - In check mode nothing is written, not even a change set. With C(--diff), parameters and templates are compared.
  - A run that was killed is simply started again. It waits for what CloudFormation is still at, and goes on from there.
options:
  estate:
    description: Name of the estate. It is the prefix of every stack's name, and the name of its lock and journal.
    type: str
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
    description:
      - Inventory variable that holds an account's list of stacks. Keys of an entry are C(name), C(template), C(parameters),
        C(capabilities), C(tags), C(protection), C(stateful), C(after), C(credentials) and C(timeout).
    type: str
    default: stacks
  only:
    description: Restrict the run to these accounts (C(dev)) or stacks (C(dev/network)). Outputs of others are still read.
    type: list
    elements: str
    default: []
  plan_only:
    description: Make and show the change sets, then take them away again.
    type: bool
    default: false
  destroy:
    description:
      - Stateful resources that may be replaced or deleted, each named as C(account/stack.LogicalId).
        Without it such a plan is refused before anything is executed.
    type: list
    elements: str
    default: []
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
    support: full
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
  - module: amazon.aws.cloudformation
"""

EXAMPLES = r"""
- name: Deploy everything that differs
  twine.platform.stack_graph:
    estate: twine

- name: Show what a deploy of prod would do
  twine.platform.stack_graph:
    estate: twine
    only: [prod]
    plan_only: true

- name: Let the database of dev be replaced
  twine.platform.stack_graph:
    estate: twine
    only: [dev/data]
    destroy: [dev/data.Database]
"""

RETURN = r"""
plan:
  description: What was to be done with each stack, parents first.
  returned: success
  type: list
  elements: dict
  sample:
    - stack: dev/network
      verdict: update
      why: parameters Cidr
      waits_for: []
      unknown: []
      changes: ["replace Vpc (AWS::EC2::VPC: CidrBlock)"]
changed_stacks:
  description: Stacks that were created or updated, in the order in which they ended.
  returned: success
  type: list
  elements: str
outputs:
  description: Outputs of all stacks that were looked at, by C(account/stack).
  returned: success
  type: dict
  sample: {"dev/network": {"VpcId": "vpc-0123456789abcdef0"}}
durations:
  description: Seconds each changed stack took.
  returned: success
  type: dict
critical_path:
  description: The stacks that decide how long a deploy takes.
  returned: success
  type: list
  elements: str
critical_seconds:
  description: Seconds along the critical path.
  returned: success
  type: float
seconds:
  description: Seconds the whole run took.
  returned: success
  type: float
calls:
  description: How often each operation of CloudFormation was called.
  returned: success
  type: dict
unlisted:
  description: Stacks of this estate that stand but are in no list. They are left alone.
  returned: success
  type: list
  elements: str
"""
