"""What a database gets from its class and parameters, and what is turned down."""

from __future__ import annotations

from typing import Any

import pytest
from ministack.services import rds

from local_cloud.plugin import databases
from local_cloud.plugin.requests import Refused

GIVEN = {"Engine": "postgres", "EngineVersion": "15.4", "MasterUsername": "twine", "MasterUserPassword": "secret", "DBInstanceClass": "db.t4g.small"}


@pytest.mark.parametrize(
    ("instance_class", "connections"), [("db.t3.micro", 90), ("db.t4g.small", 180), ("db.m5.large", 720), ("db.r5.2xlarge", 2883)]
)
def test_connections_by_class(instance_class: str, connections: int) -> None:
    assert databases.max_connections(instance_class) == connections


def test_a_parameter_group_reaches_the_server() -> None:
    rds._param_groups["mine"] = {"Parameters": {"max_connections": {"ParameterValue": "50"}, "rds.force_ssl": {"ParameterValue": "1"}}}

    settings, force = databases._parameters({"DBInstanceClass": "db.t3.micro", "DBParameterGroups": [{"DBParameterGroupName": "mine"}]})

    assert (settings["max_connections"], force) == ("50", True)
    assert "rds.force_ssl" not in settings


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"Engine": "mysql"}, "mysql"),
        ({"EngineVersion": "16.1"}, "16.1"),
        ({"ManageMasterUserPassword": True}, "ManageMasterUserPassword"),
        ({"DBInstanceClass": "db.t3.giant"}, "giant"),
        ({"MasterUserPassword": ""}, "MasterUserPassword"),
    ],
)
def test_refuses_databases(changed: dict[str, Any], why: str) -> None:
    with pytest.raises(Refused, match=why):
        databases._refuse_database({**GIVEN, **changed})


def test_accepts_the_ordinary() -> None:
    databases._refuse_database(GIVEN)
