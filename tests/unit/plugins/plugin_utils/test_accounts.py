"""Which accounts an action enters, and as whom."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.twine.platform.plugins.module_utils._aws.errors import Failure
from ansible_collections.twine.platform.plugins.plugin_utils.accounts import CREDENTIALS, AccountsAction, entered

OPTIONS: dict[str, Any] = {name: spec.get("default") for name, spec in CREDENTIALS.items()}


def account(number: str, **more: str) -> dict[str, Any]:
    return {"account_id": number, "account_role_arn": f"arn:aws:iam::{number}:role/twine-deployer", "account_external_id": "x", **more}


def test_an_account_that_the_inventory_does_not_have_is_named() -> None:
    assert AccountsAction.known(["dev"], {"hostvars": {"dev": {}}}) == ["dev"]
    with pytest.raises(Failure, match="Failed to find account stage: the inventory has no such host"):
        AccountsAction.known(["dev", "stage"], {"hostvars": {"dev": {}}})


def test_the_region_of_the_options_is_that_of_accounts_without_one() -> None:
    hosts = {"dev": account("111111111111"), "prod": account("222222222222", account_region="eu-central-1")}
    found, accounts = entered({**OPTIONS, "region": "eu-west-2"}, hosts)
    assert {name: account.region for name, account in found.items()} == {"dev": "eu-west-2", "prod": "eu-central-1"}
    assert accounts.number("prod") == "222222222222"
