# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What every action that works in the inventory's accounts begins with: their names, their variables, and a way into each."""

from __future__ import annotations

import os
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.twine.platform.plugins.module_utils._aws.accounts import Account, Accounts, Operator
from ansible_collections.twine.platform.plugins.module_utils._aws.errors import Failure
from ansible_collections.twine.platform.plugins.module_utils._stacks.estate import accounts_of

# What an account says of itself, and the options by which the operator's own credentials are found.
VARIABLES = (
    "account_id",
    "account_region",
    "account_role_arn",
    "account_external_id",
    "account_endpoint_url",
    "account_admin_profile",
)
CREDENTIALS: dict[str, dict[str, Any]] = {
    "profile": {"type": "str"},
    "access_key": {"type": "str", "no_log": True},
    "secret_key": {"type": "str", "no_log": True},
    "session_token": {"type": "str", "no_log": True},
    "region": {"type": "str"},
    "endpoint_url": {"type": "str"},
    "credentials_file": {"type": "path"},
    "aws_ca_bundle": {"type": "path"},
    "validate_certs": {"type": "bool", "default": True},
}


class AccountsAction(ActionBase):
    """Runs on the controller: it reads the variables of accounts and talks to AWS itself; the machine that is managed has no part in it."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_diff = True
    _requires_connection = False

    @staticmethod
    def known(names: list[str], task_vars: dict[str, Any]) -> list[str]:
        """These accounts.

        :raises Failure: if the inventory has no host of such a name.
        """
        for name in names:
            if name not in task_vars["hostvars"]:
                raise Failure(f"Failed to find account {name}: the inventory has no such host. Name one of its accounts.")
        return names

    def variables(self, host: str, wanted: tuple[str, ...], hostvars: Any, over: dict[str, Any]) -> dict[str, Any]:
        """Variables of an account, rendered, with those of ``over`` in place of its own."""
        # hostvars[host][key] would not let a value refer to hostvars in turn, as an account's peers do.
        raw: dict[str, Any] = {**hostvars.raw_get(host), "hostvars": hostvars, **over}
        templar = self._templar.copy_with_new_env(available_variables=raw)
        return {key: templar.template(raw[key]) for key in wanted if key in raw}

    def enter(self, options: dict[str, Any], task_vars: dict[str, Any], names: list[str]) -> tuple[dict[str, Account], Accounts]:
        """These accounts by name, and a way into each."""
        return entered(options, {name: self.variables(name, VARIABLES, task_vars["hostvars"], {}) for name in self.known(names, task_vars)})


def entered(options: dict[str, Any], hosts: dict[str, dict[str, Any]]) -> tuple[dict[str, Account], Accounts]:
    """The accounts that inventory hosts describe, and a way into each."""
    for variables in hosts.values():
        if options["region"]:
            variables.setdefault("account_region", options["region"])
    accounts = accounts_of(hosts)
    operator = Operator(
        profile=options["profile"] or "",
        access_key=options["access_key"] or "",
        secret_key=options["secret_key"] or "",
        session_token=options["session_token"] or "",
        endpoint_url=options["endpoint_url"] or os.environ.get("AWS_ENDPOINT_URL", ""),
        credentials_file=options["credentials_file"] or "",
        ca_bundle=options["aws_ca_bundle"] or "",
        validate_certs=options["validate_certs"],
    )
    return accounts, Accounts(accounts, operator)
