"""What a deploy does when all is well: everything once, then nothing."""

from __future__ import annotations

import time

import pytest

from ansible_collections.twine.platform.plugins.module_utils._aws.accounts import Accounts
from ansible_collections.twine.platform.plugins.module_utils._aws.errors import Failure
from tests.scenarios.stacks.estate import ACCOUNTS, LAYER, Cloud, deploy, engine, large, layer, small, standing

READS = {"describe_stacks"}


def test_four_empty_accounts_become_the_estate_and_stay_it(cloud: Cloud) -> None:
    first = deploy(cloud, small())
    assert len(first.changed) == 11 and first.outputs["prod/network"]["Name"] == "/estate-network"
    stands = standing(cloud)
    assert {stack["status"] for stack in stands.values()} == {"CREATE_COMPLETE"}
    assert all(stack["protected"] for stack in stands.values())
    again = deploy(cloud, small())
    assert again.changed == [] and again.calls == {"describe_stacks": len(ACCOUNTS)}
    assert again.outputs == first.outputs and standing(cloud) == stands


def test_nothing_to_do_costs_one_call_an_account_however_many_stacks(cloud: Cloud) -> None:
    raw = large(25)
    deploy(cloud, raw)
    begun = time.monotonic()
    again = deploy(cloud, raw)
    assert again.changed == [] and again.calls == {"describe_stacks": len(ACCOUNTS)}
    assert time.monotonic() - begun < 2


def test_a_change_goes_to_its_stack_and_where_its_outputs_lead(cloud: Cloud) -> None:
    deploy(cloud, small())
    raw = small()
    raw["dev"][1] = layer("network", "w")
    changed = deploy(cloud, raw)
    assert changed.changed == ["dev/network"]
    assert changed.plans == {"dev/network": ["modify Parameter (AWS::SSM::Parameter: Value)"]}


def test_a_changed_output_goes_on_to_its_children_in_the_same_run(cloud: Cloud) -> None:
    deploy(cloud, small())
    (cloud.folder / "other.yml").write_text(LAYER.replace("!Ref Parameter", "other").replace("${Value} ", "${Value}, other "))
    raw = small()
    raw["dev"][1] = layer("network", template="other.yml")
    assert deploy(cloud, raw).changed == ["dev/network", "dev/application"]
    assert standing(cloud)["dev/estate-application"]["parameters"]["Above"] == "other"


def test_only_what_is_named_is_touched(cloud: Cloud) -> None:
    deploy(cloud, small())
    assert set(deploy(cloud, small("w"), only=("dev/network", "dns")).changed) == {"dns/zone", "dev/network"}
    stands = standing(cloud)
    assert {key for key, stack in stands.items() if stack["parameters"].get("Value") == "w"} == {"dev/estate-network", "dns/estate-zone"}


def test_a_hand_made_change_is_found_and_taken_back(cloud: Cloud) -> None:
    deploy(cloud, small())
    client = Accounts(cloud.accounts(), cloud.operator()).client("dev", "cloudformation", "account")
    by_hand = [{"ParameterKey": "Value", "ParameterValue": "by hand"}]
    client.update_stack(StackName="estate-network", UsePreviousTemplate=True, Parameters=by_hand)
    client.get_waiter("stack_update_complete").wait(StackName="estate-network", WaiterConfig={"Delay": 1})
    found = deploy(cloud, small())
    assert found.changed == ["dev/network"] and found.decisions["dev/network"].why == "parameters Value"
    assert standing(cloud)["dev/estate-network"]["parameters"]["Value"] == "v"


def test_protection_that_was_lifted_by_hand_comes_back(cloud: Cloud) -> None:
    deploy(cloud, small())
    client = Accounts(cloud.accounts(), cloud.operator()).client("dev", "cloudformation", "account")
    client.update_termination_protection(StackName="estate-network", EnableTerminationProtection=False)
    assert deploy(cloud, small()).changed == ["dev/network"]
    assert standing(cloud)["dev/estate-network"]["protected"]


def test_a_plan_leaves_nothing_behind(cloud: Cloud) -> None:
    planned = engine(cloud, small()).plan(with_change_sets=True)
    assert planned.plans["bastion/access"] and planned.decisions["dns/zone"].unknown == ("Above",)
    deploy(cloud, small())
    stands = standing(cloud)
    planned = engine(cloud, small("w")).plan(with_change_sets=True)
    assert planned.plans["dns/zone"] == ["modify Parameter (AWS::SSM::Parameter: Value)"]
    assert standing(cloud) == stands


def test_check_mode_only_reads(cloud: Cloud) -> None:
    planned = engine(cloud, small()).plan(with_change_sets=False)
    assert {decision.verdict for decision in planned.decisions.values()} == {"create"}
    assert set(planned.calls) == READS


def test_a_stack_that_is_in_no_list_any_more_is_told_and_left_alone(cloud: Cloud) -> None:
    deploy(cloud, small())
    raw = small()
    del raw["dns"][1]
    assert deploy(cloud, raw).unlisted == ["dns/estate-zone"]
    assert "dns/estate-zone" in standing(cloud)


def test_an_account_that_cannot_be_entered_is_named_with_its_remedy(cloud: Cloud) -> None:
    deploy(cloud, small())
    strangers = {name: account.__class__(**{**vars(account), "external_id": "wrong-one"}) for name, account in cloud.accounts().items()}
    with pytest.raises(Failure) as failure:
        deploy(cloud, small(), accounts=Accounts(strangers, cloud.operator()))
    told = str(failure.value)
    assert all(f"Failed to assume the role of account {name}" in told for name in ACCOUNTS)
    assert "external id of the role" in told
