# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Give a login in Secrets Manager another password. Documented in plugins/modules/login_rotation.py."""

from __future__ import annotations

from typing import Any

from ansible_collections.twine.platform.plugins.module_utils._aws.errors import Failure
from ansible_collections.twine.platform.plugins.module_utils._aws.login import read_login, rotate_login
from ansible_collections.twine.platform.plugins.plugin_utils.accounts import CREDENTIALS, AccountsAction

_ARGUMENTS: dict[str, dict[str, Any]] = {
    "environment": {"type": "str", "required": True},
    "secret": {"type": "str", "required": True, "no_log": False},
    **CREDENTIALS,
}


class ActionModule(AccountsAction):
    """Writes one secret in the account of an environment."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Read the login, and unless only asked replace its password."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _checked, options = self.validate_argument_spec(_ARGUMENTS)
        environment, name = options["environment"], options["secret"]
        try:
            secrets = self.enter(options, task_vars or {}, [environment])[1].client(environment, "secretsmanager", "role")
            login = before = read_login(secrets, environment, name)
            if not self._task.check_mode:
                login = rotate_login(secrets, environment, name, before)
        except Failure as failure:
            return {**result, "failed": True, "msg": str(failure)}
        return {**result, "changed": True, "username": login.username, "version": login.version, "previous_version": before.version}
