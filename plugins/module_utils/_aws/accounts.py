"""From an account of the estate to a boto3 client that may work in it.

One way only: the operator's own credentials assume the account's role, with its external id. The single exception is the
stack that makes this role, which is deployed with credentials of the account itself (``source="account"``).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from .errors import Failure, explain, sentence

Source = Literal["role", "account"]
_RENEW_BEFORE = 600.0  # seconds before its end at which a session is renewed
_SESSION_SECONDS = 3600


@dataclass(frozen=True)
class Account:
    """One account of the estate, as its inventory host describes it."""

    name: str
    account_id: str
    region: str
    role_arn: str
    external_id: str = ""
    endpoint_url: str = ""
    admin_profile: str = ""


@dataclass(frozen=True)
class Operator:
    """Whose credentials assume the roles: amazon.aws's common options, empty = boto3's own search."""

    profile: str = ""
    access_key: str = ""
    secret_key: str = ""
    session_token: str = ""
    endpoint_url: str = ""
    credentials_file: str = ""
    ca_bundle: str = ""
    validate_certs: bool = True


@dataclass
class _Keys:
    access_key: str
    secret_key: str
    token: str
    expires: float
    clients: dict[str, Any] = field(default_factory=dict)


class Accounts:
    """Clients by account and service. Safe for threads; sessions are renewed before they end."""

    def __init__(
        self,
        accounts: dict[str, Account],
        operator: Operator,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._accounts = accounts
        self._operator = operator
        self._now = now
        self._keys: dict[tuple[str, Source], _Keys] = {}
        self._locks: dict[tuple[str, Source], threading.Lock] = {}
        self._sessions: dict[str, Any] = {}
        self._making = threading.Lock()

    def client(self, account: str, service: str, source: Source = "role") -> Any:
        """A client of ``service`` in ``account``; raises :class:`Failure` if the account cannot be entered."""
        key = (account, source)
        with self._making:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            keys = self._keys.get(key)
            if keys is None or keys.expires - self._now() < _RENEW_BEFORE:
                keys = self._enter(self._accounts[account], source)
                self._keys[key] = keys
            if service not in keys.clients:
                keys.clients[service] = self._make(self._accounts[account], service, keys, source)
            return keys.clients[service]

    def source(self, account: str) -> Source:
        """As whom to enter: by the account's role, or before that exists with the account's own credentials where they are at hand.

        :raises Failure: if it cannot be entered by its role, and there are no others.
        """
        try:
            self.client(account, "ec2", "role")
        except Failure:
            if not self._accounts[account].admin_profile:
                raise
            return "account"
        return "role"

    def number(self, account: str) -> str:
        """The twelve digits of an account."""
        return self._accounts[account].account_id

    def _enter(self, account: Account, source: Source) -> _Keys:
        if source == "account":
            if not account.admin_profile:
                raise Failure(
                    sentence(
                        "enter account",
                        account.name,
                        "its deployer role does not exist yet and 'account_admin_profile' is not set",
                        "Set it to a profile of an administrator of this account for the first deploy",
                    )
                )
            return _Keys("", "", "", float("inf"))
        if not account.role_arn:
            raise Failure(sentence("enter account", account.name, "'account_role_arn' is empty", "Set it in its host_vars"))
        return self._assume(account)

    def _assume(self, account: Account) -> _Keys:
        request: dict[str, Any] = {
            "RoleArn": account.role_arn,
            "RoleSessionName": "twine.platform",
            "DurationSeconds": _SESSION_SECONDS,
        }
        if account.external_id:
            request["ExternalId"] = account.external_id
        try:
            sts = self._own_client(self._operator.profile, "sts", account)
            found = sts.assume_role(**request)["Credentials"]
        except Exception as error:
            raise explain(f"assume the role of account {account.name},", account.role_arn, error) from error
        return _Keys(
            found["AccessKeyId"],
            found["SecretAccessKey"],
            found["SessionToken"],
            found["Expiration"].timestamp(),
        )

    def _make(self, account: Account, service: str, keys: _Keys, source: Source) -> Any:
        try:
            if source == "account":
                return self._own_client(account.admin_profile, service, account)
            session = self._session(self._operator.profile)
            with self._making:  # boto3 sessions may not be shared while they make clients
                return session.client(
                    service,
                    aws_access_key_id=keys.access_key,
                    aws_secret_access_key=keys.secret_key,
                    aws_session_token=keys.token,
                    **self._common(account),
                )
        except Exception as error:
            raise explain(f"reach {service} of account", account.name, error) from error

    def _own_client(self, profile: str, service: str, account: Account) -> Any:
        session = self._session(profile)
        options = self._common(account)
        if self._operator.access_key and profile == self._operator.profile:
            options.update(
                aws_access_key_id=self._operator.access_key,
                aws_secret_access_key=self._operator.secret_key,
                aws_session_token=self._operator.session_token or None,
            )
        with self._making:
            return session.client(service, **options)

    def _session(self, profile: str) -> Any:
        # Imported here: the module is also loaded where only documentation is read.
        import boto3
        import botocore.session

        with self._making:
            if profile not in self._sessions:
                core = botocore.session.Session(profile=profile or None)
                if self._operator.credentials_file:
                    core.set_config_variable("credentials_file", self._operator.credentials_file)
                self._sessions[profile] = boto3.Session(botocore_session=core)
            return self._sessions[profile]

    def _common(self, account: Account) -> dict[str, Any]:
        from botocore.config import Config

        endpoint = account.endpoint_url or self._operator.endpoint_url
        return {
            "region_name": account.region,
            "endpoint_url": endpoint or None,
            "verify": (self._operator.ca_bundle or None) if self._operator.validate_certs else False,
            "config": Config(
                retries={"mode": "adaptive", "total_max_attempts": 10},
                connect_timeout=5,
                read_timeout=60,
                max_pool_connections=32,
                user_agent_extra="twine.platform",
            ),
        }
