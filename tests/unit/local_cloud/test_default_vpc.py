"""Dev's default VPC gets its network when it is wanted, and the repository a leg in it."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from ministack.services import ec2

from local_cloud.plugin import default_vpc, emulator, engine, fabric, settings
from tests.unit.local_cloud.estate import BASTION, DEV


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What would be asked of Docker."""
    done: list[Any] = []
    monkeypatch.setattr(engine, "create_network", lambda name, cidr, gateway, labels=None: done.append((name, cidr, gateway)))
    monkeypatch.setattr(engine, "connect", lambda network, container, ip=None, aliases=(): done.append((container, ip, list(aliases))))
    monkeypatch.setattr(ec2, "_default_initialized_scopes", set())
    return done


def test_it_is_made_once_and_the_repository_comes_in_each_time(made: list[Any]) -> None:
    with emulator.scope(DEV):
        ec2._ensure_defaults_initialized()
        subnet = default_vpc.subnet()
        net = default_vpc.cidr()
        assert ipaddress.IPv4Network(ec2._subnets[subnet]["CidrBlock"]).subnet_of(net)
        assert fabric.place(subnet).address == str(net[4])
        default_vpc.subnet()
    network = (fabric.network_name(ec2._DEFAULT_VPC_ID), str(net), str(net[1]))
    repository = (f"{settings.PREFIX}-repository", str(net[3]), ["repository"])
    assert made == [network, (fabric.CLOUD, str(net[2]), []), repository, repository]


def test_a_repository_that_is_not_there_is_no_failure(made: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(network: str, container: str, ip: str | None = None, aliases: Any = ()) -> None:
        if container.endswith("-repository"):
            raise engine.EngineError("No such container", 404)

    monkeypatch.setattr(engine, "connect", connect)
    with emulator.scope(DEV):
        ec2._ensure_defaults_initialized()
        assert default_vpc.subnet() == ec2._DEFAULT_SUBNET_ID


def test_other_accounts_have_none_that_is_real(made: list[Any]) -> None:
    with emulator.scope(BASTION):
        ec2._ensure_defaults_initialized()
        assert default_vpc.subnet() == ""
    assert made == []
