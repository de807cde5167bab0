# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a release says of the stacks. Documented in plugins/modules/release_plan.py."""

from __future__ import annotations

import hashlib
from typing import Any

from ansible_collections.twine.platform.plugins.action.stack_graph import folders, names_in
from ansible_collections.twine.platform.plugins.module_utils._aws.errors import Failure
from ansible_collections.twine.platform.plugins.module_utils._stacks import checks, graph, spec
from ansible_collections.twine.platform.plugins.module_utils._stacks.shape import shapes
from ansible_collections.twine.platform.plugins.plugin_utils.accounts import AccountsAction

_ARGUMENTS: dict[str, dict[str, Any]] = {
    "images": {"type": "dict", "required": True},
    "group": {"type": "str", "default": "accounts"},
    "accounts": {"type": "list", "elements": "str"},
    "stacks_variable": {"type": "str", "default": "stacks"},
    "templates": {"type": "list", "elements": "path", "default": []},
}


class ActionModule(AccountsAction):
    """Reads the inventory and the templates; makes no call."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Render the stacks with these images, check them, and return their digests."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _checked, options = self.validate_argument_spec(_ARGUMENTS)
        variables = task_vars or {}
        key, over = options["stacks_variable"], {"release": {"images": options["images"]}}
        try:
            names = self.known(names_in(options, variables), variables)
            raw = {name: self.variables(name, (key,), variables["hostvars"], over).get(key, []) for name in names}
            stacks = spec.parse(raw)
            graph.build(stacks)
            templates = checks.templates_of(stacks, folders(options))
            checks.check(stacks, templates)
        except Failure as failure:
            return {**result, "failed": True, "msg": str(failure)}
        paths = {template.path.name: template.path for template in templates.values()}
        return {
            **result,
            "plan": shapes(stacks, options["images"]),
            "templates": {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in sorted(paths.items())},
        }
