# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Note which role writes which file."""

from __future__ import annotations

DOCUMENTATION = r"""
name: provenance
type: aggregate
short_description: Note which role writes which file
version_added: 0.1.0
author: The twine.platform authors (@twine-platform)
description:
  - Notes, for each file that a role's task writes, the role, the task and the template. It prints nothing.
  - M(twine.platform.provenance) returns what was noted; on the machine, C(whence FILE) answers from it.
requirements:
  - C(callbacks_enabled = twine.platform.provenance) in ansible.cfg
"""

from typing import Any

from ansible.plugins.callback import CallbackBase

from ansible_collections.twine.platform.plugins.module_utils._provenance import note


class CallbackModule(CallbackBase):
    """Sees every result in the main process."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "twine.platform.provenance"
    CALLBACK_NEEDS_ENABLED = True

    def v2_runner_on_ok(self, result: Any) -> None:
        """Note a task without a loop; of a loop, each turn is told by itself."""
        if "results" not in result.result:
            self._note(result)

    def v2_runner_item_on_ok(self, result: Any) -> None:
        """Note one turn of a loop."""
        self._note(result)

    def _note(self, result: Any) -> None:
        task = result.task
        role = task._role.get_name() if task._role else ""
        if not task.check_mode:
            action = str(task.resolved_action or task.action)
            note(result.host.get_name(), action, result.result, role, task.name or action, task.args)
