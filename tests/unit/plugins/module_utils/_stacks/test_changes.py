"""A change set is read with the riskiest first, and what nobody may do by accident is found."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.twine.platform.plugins.module_utils._stacks.changes import Change, read, refused, summary


def raw(action: str, name: str, kind: str = "AWS::SNS::Topic", replacement: str | None = None, *properties: str) -> dict[str, Any]:
    details = [{"Target": {"Attribute": "Properties", "Name": name}} for name in properties]
    change = {"Action": action, "LogicalResourceId": name, "ResourceType": kind, "Details": details}
    return {"Type": "Resource", "ResourceChange": change | ({"Replacement": replacement} if replacement else {})}


def test_the_riskiest_stands_first() -> None:
    found = read([raw("Add", "A"), raw("Modify", "M", "T", "False"), raw("Remove", "D"), raw("Modify", "R", "T", "True", "Name")])
    assert [str(change) for change in found] == ["delete D (AWS::SNS::Topic)", "replace R (T: Name)", "modify M (T)", "add A (AWS::SNS::Topic)"]
    assert summary(found) == "1 deleted, 1 replaced, 1 modified, 1 added"
    assert summary([]) == "no resource"


@pytest.mark.parametrize(
    ("change", "bad"),
    [
        (Change("Remove", "Database", "AWS::RDS::DBInstance"), True),
        (Change("Modify", "Database", "AWS::RDS::DBInstance", "True"), True),
        (Change("Modify", "Database", "AWS::RDS::DBInstance", "Conditional"), True),
        (Change("Modify", "Database", "AWS::RDS::DBInstance", "False"), False),
        (Change("Add", "Database", "AWS::RDS::DBInstance"), False),
        (Change("Remove", "Topic", "AWS::SNS::Topic"), False),
        (Change("Remove", "Special", "AWS::SNS::Topic"), True),
        (Change("Remove", "Named", "AWS::RDS::DBInstance"), False),
    ],
)
def test_what_is_stateful_is_not_destroyed_unnamed(change: Change, bad: bool) -> None:
    assert bool(refused("dev/data", [change], frozenset({"Special"}), frozenset({"dev/data.Named"}))) is bad
