# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Return what roles wrote on this host. Documented in plugins/modules/provenance.py."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.twine.platform.plugins.module_utils._provenance import written


class ActionModule(ActionBase):
    """Runs on the controller, changes nothing."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the files that the callback has noted since this run of ansible-playbook began."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        self.validate_argument_spec({})
        host = str((task_vars or {}).get("inventory_hostname", ""))
        return {**result, "changed": False, "files": [asdict(entry) for entry in written(host)]}
