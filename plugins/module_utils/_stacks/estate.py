"""The accounts of an estate as their inventory hosts describe them, read into types."""

from __future__ import annotations

import re
from collections.abc import Mapping

from .._aws.accounts import Account
from .._aws.errors import Failure

_REQUIRED = ("account_id", "account_region", "account_role_arn")
_ARN = re.compile(r"^arn:aws[a-z-]*:iam::(\d{12}):role/[\w+=,.@/-]+$")


def accounts_of(hosts: Mapping[str, Mapping[str, object]]) -> dict[str, Account]:
    """Read each account. Raises :class:`Failure` that names every mistake with host, variable and remedy."""
    problems: list[str] = []
    found: dict[str, Account] = {}
    for name, variables in hosts.items():
        mistakes = list(_mistakes(variables))
        problems += [f"account {name} (inventory host_vars/{name}): {mistake}" for mistake in mistakes]
        if not mistakes:
            found[name] = Account(
                name=name,
                account_id=str(variables["account_id"]),
                region=str(variables["account_region"]),
                role_arn=str(variables["account_role_arn"]),
                external_id=str(variables.get("account_external_id") or ""),
                endpoint_url=str(variables.get("account_endpoint_url") or ""),
                admin_profile=str(variables.get("account_admin_profile") or ""),
            )
    problems += _shared(found)
    if problems:
        raise Failure("\n".join(["Failed to read the accounts:", *problems]))
    return found


def _mistakes(variables: Mapping[str, object]) -> list[str]:
    missing = [name for name in _REQUIRED if not variables.get(name)]
    if missing:
        return [f"'{name}' is not set. Set it." for name in missing]
    identity = variables["account_id"]
    if not isinstance(identity, str) or not re.fullmatch(r"\d{12}", identity):
        return [f"'account_id' is {identity!r}. Write twelve digits in quotes (a leading zero is lost otherwise)."]
    arn = _ARN.match(str(variables["account_role_arn"]))
    if arn is None:
        return [f"'account_role_arn' is {variables['account_role_arn']!r}. Write arn:aws:iam::{identity}:role/<name>."]
    if arn[1] != identity:
        return [f"'account_role_arn' is in account {arn[1]}, 'account_id' is {identity}. Make them the same."]
    return []


def _shared(accounts: Mapping[str, Account]) -> list[str]:
    owners: dict[str, str] = {}
    problems = []
    for name, account in accounts.items():
        other = owners.setdefault(account.account_id, name)
        if other != name:
            problems.append(f"accounts {other} and {name} have the same account_id {account.account_id}. Each needs its own.")
    return problems
