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
extends_documentation_fragment:
  - twine.platform.accounts
  - twine.platform.attributes.controller
  - twine.platform.stacks
  - twine.platform.stacks.deploy
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
