"""What the data plane uses of the emulator's inside is there, in the shape that it relies on."""

from __future__ import annotations

import importlib
import inspect
import re

import pytest

from tests.unit.local_cloud.conftest import LIBRARIES

PLUGIN = LIBRARIES.parents[2] / "local_cloud" / "plugin"
SERVICES = ("alb", "autoscaling", "cloudformation", "cloudwatch", "ec2", "elasticache", "rds")
SIGNATURES = {
    "autoscaling._put_tracking_alarms": ["record"],
    "autoscaling._reconcile_instances": ["asg"],
    "autoscaling._tracking_metric": ["tracking", "asg_name"],
    "cloudwatch._evaluate_alarm": ["alarm"],
    "cloudwatch._store_datum": ["namespace", "name", "dims", "ts", "unit", "value", "values", "counts", "stat_values"],
    "cloudwatch.record_metric": ["namespace", "metric_name", "value", "unit", "dimensions"],
    "elasticache._create_cache_cluster": ["p"],
    "elasticache._create_replication_group": ["p"],
    "elasticache._publish_endpoint": ["rec", "host", "port"],
    "rds._create_db_instance": ["p"],
}


@pytest.mark.parametrize("name", SERVICES)
def test_every_private_name_that_is_used_exists(name: str) -> None:
    service = importlib.import_module(f"ministack.services.{name}")
    used = {word for path in PLUGIN.glob("*.py") for word in re.findall(rf"\b{name}\.(_\w+)", path.read_text())}
    assert used
    assert not [word for word in sorted(used) if not hasattr(service, word)]


@pytest.mark.parametrize(("function", "parameters"), SIGNATURES.items())
def test_signatures(function: str, parameters: list[str]) -> None:
    service, _separator, name = function.partition(".")
    found = getattr(importlib.import_module(f"ministack.services.{service}"), name)
    assert list(inspect.signature(found).parameters) == parameters
