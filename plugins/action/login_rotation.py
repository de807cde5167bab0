# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Give a login in Secrets Manager another password. Documented in plugins/modules/login_rotation.py."""

from __future__ import annotations

from typing import Any

from ansible.utils.display import Display

from ansible_collections.twine.platform.plugins.action.stack_graph import ARGUMENTS, NO_DEPLOY
from ansible_collections.twine.platform.plugins.action.stack_graph import ActionModule as StackGraph
from ansible_collections.twine.platform.plugins.module_utils._aws.errors import Failure
from ansible_collections.twine.platform.plugins.module_utils._aws.login import read_login, rotate_login

_OWN: dict[str, dict[str, Any]] = {
    "environment": {"type": "str", "required": True},
    "secret": {"type": "str", "required": True, "no_log": False},
}


class ActionModule(StackGraph):
    """Writes one secret in the account of an environment."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Read the login, and unless only asked replace its password."""
        result: dict[str, Any] = super(StackGraph, self).run(tmp, task_vars)
        arguments = {name: spec for name, spec in ARGUMENTS.items() if name not in NO_DEPLOY}
        _checked, options = self.validate_argument_spec({**arguments, **_OWN})
        options.update(NO_DEPLOY)
        environment, name = options["environment"], options["secret"]
        try:
            secrets = self.engine(options, task_vars or {}, Display().display).client(environment, "secretsmanager")
            login = before = read_login(secrets, environment, name)
            if not self._task.check_mode:
                login = rotate_login(secrets, environment, name, before)
        except Failure as failure:
            return {**result, "failed": True, "msg": str(failure)}
        return {**result, "changed": True, "username": login.username, "version": login.version, "previous_version": before.version}
