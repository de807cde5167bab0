"""What the plugin uses of the emulator's inside is there, in the shape that it relies on. A new version of the emulator starts here."""

from __future__ import annotations

import importlib
import importlib.metadata
import inspect
import re

import pytest
from ministack.services.cloudformation import provisioners

from tests.unit.local_cloud.conftest import LIBRARIES

PLUGIN = LIBRARIES.parents[2] / "local_cloud" / "plugin"
# Module of the emulator → what its short name is in the plugin.
MODULES = {
    "app": "gateway",
    "core.iam_evaluator": "iam_evaluator",
    "services.alb": "alb",
    "services.autoscaling": "autoscaling",
    "services.cloudformation.engine": "engine",
    "services.cloudformation.provisioners": "provisioners",
    "services.cloudformation.stacks": "stacks",
    "services.ec2": "ec2",
    "services.iam": "iam",
    "services.kms": "kms",
    "services.rds": "rds",
    "services.secretsmanager": "secretsmanager",
    "services.sts": "sts",
}
SIGNATURES = {
    "app._handle_lifespan": ["scope", "receive", "send"],
    "core.iam_evaluator.evaluate_trust_policy": ["trust_doc", "caller_arn", "ctx"],
    "core.responses.request_scope": ["account_id", "region"],
    "services.cloudformation.engine._resolve_parameters": ["template", "provided_params", "previous_params"],
    "services.cloudformation.engine._validate_template_statics": ["template"],
    "services.cloudformation.provisioners._sm_secret_string": ["props"],
    "services.cloudformation.stacks._runs_on_worker_thread": ["resource_type"],
    "services.ec2._describe_images": ["p"],
    "services.ec2._resolve_launch_template_data": ["spec"],
    "services.ec2._sg_rule_id": ["sg_id", "is_egress", "rule"],
    "services.secretsmanager._get_random_password": ["data"],
    "services.sts.register_session": ["access_key", "session"],
}


def test_the_emulator_is_the_version_this_was_written_for() -> None:
    found = next(LIBRARIES.glob("ministack-*.dist-info")).name
    assert found == "ministack-1.5.33.dist-info"


@pytest.mark.parametrize(("module", "short"), MODULES.items())
def test_every_private_name_that_is_used_exists(module: str, short: str) -> None:
    """Collected from the plugin's own text, so that a new use is held too."""
    inside = importlib.import_module(f"ministack.{module}")
    imported = re.compile(rf"^(from ministack[\w.]* import .*\b{short}\b|import ministack\.{module} as {short}$)", re.MULTILINE)
    texts = [text for path in PLUGIN.glob("*.py") if imported.search(text := path.read_text())]
    used = {name for text in texts for name in re.findall(rf"(?<![\w.]){short}\.(_[a-zA-Z]\w*)", text)}
    assert not {name for name in used if not hasattr(inside, name)}


@pytest.mark.parametrize(("where", "expected"), SIGNATURES.items())
def test_a_hook_takes_what_it_is_given(where: str, expected: list[str]) -> None:
    module, _separator, name = where.rpartition(".")
    found = inspect.signature(getattr(importlib.import_module(f"ministack.{module}"), name))
    assert list(found.parameters) == expected


def test_the_types_that_are_wrapped_have_what_is_wrapped() -> None:
    for name in ("VPC", "Subnet", "SecurityGroup", "Route"):
        assert {"create", "update", "delete"} <= set(provisioners._RESOURCE_HANDLERS[f"AWS::EC2::{name}"])
    assert set(provisioners._RESOURCE_HANDLERS["AWS::EC2::SubnetRouteTableAssociation"]) == {"create", "delete"}


def test_the_types_that_are_added_are_still_missing() -> None:
    """When the emulator learns one, ours can go."""
    for name in ("EIP", "EIPAssociation", "Instance", "NatGateway", "SecurityGroupEgress", "SecurityGroupIngress", "VPCPeeringConnection"):
        registered = provisioners._RESOURCE_HANDLERS.get(f"AWS::EC2::{name}")
        assert registered is None or registered["create"].__module__.startswith("local_cloud")
