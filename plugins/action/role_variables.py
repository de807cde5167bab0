# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Refuse variables that no role knows. Documented in plugins/modules/role_variables.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from ansible.plugins.action import ActionBase

from ansible_collections.twine.platform.plugins.module_utils._variables import options_of, unknown

ROLES = Path(__file__).resolve().parents[2] / "roles"


class ActionModule(ActionBase):
    """Compare the variables of a host with the options of its roles; it runs on the controller and changes nothing."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Say which names are unknown; they fail the task."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _checked, arguments = self.validate_argument_spec({"roles": {"type": "list", "elements": "str", "required": True}})
        options = {}
        for role in arguments["roles"]:
            path = ROLES / role / "meta" / "argument_specs.yml"
            if not path.is_file():
                why = f"Failed to read the variables of role {role}: there is no {path}. Name a role of this collection."
                return {**result, "failed": True, "msg": why}
            options[role] = options_of(yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"])
        problems = unknown(task_vars or {}, options)
        if problems:
            return {**result, "failed": True, "unknown": problems, "msg": f"Failed to configure {_name(task_vars)}: {' '.join(problems)}"}
        return {**result, "changed": False, "unknown": []}


def _name(task_vars: dict[str, Any] | None) -> str:
    return str((task_vars or {}).get("inventory_hostname", "this machine"))
