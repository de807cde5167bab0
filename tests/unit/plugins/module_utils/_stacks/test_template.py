"""A template is read with its short tags, has a digest that ignores what changes nothing, and carries the stamp."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ansible_collections.twine.platform.plugins.module_utils._aws.errors import Failure
from ansible_collections.twine.platform.plugins.module_utils._stacks.template import MAX_BODY, digest_of, load, unstamped

BODY = """\
AWSTemplateFormatVersion: 2010-09-09
Description: Something
Parameters:
  Name: {Type: String, AllowedPattern: "^[a-z]+$"}
  Secret: {Type: String, NoEcho: true, Default: x}
Resources:
  Topic:
    Type: AWS::SNS::Topic
    Properties:
      TopicName: !Sub "${Name}-topic"
      DisplayName: !If [A, !Ref Name, !GetAtt Topic.Arn.Nested]
"""
DIGEST = "0123456789abcdef" * 2


def written(folder: Path, body: str, name: str = "t.yml") -> Path:
    path = folder / name
    path.write_text(body)
    return path


def test_parameters_and_resources_are_read(tmp_path: Path) -> None:
    template = load(written(tmp_path, BODY))
    assert template.parameters["Name"].required and template.parameters["Name"].pattern == "^[a-z]+$"
    assert template.parameters["Secret"].secret and not template.parameters["Secret"].required
    assert template.resources["Topic"]["Properties"]["DisplayName"] == {"Fn::If": ["A", {"Ref": "Name"}, {"Fn::GetAtt": ["Topic", "Arn.Nested"]}]}


@pytest.mark.parametrize(
    "outputs",
    [
        "",
        "Outputs:\n  Arn: {Value: !Ref Topic}\n",
        "Outputs:\n    # a comment first\n\n    Arn:\n        Value: !Ref Topic\n",
        "Outputs: # why\n  Arn: {Value: !Ref Topic}\nMetadata: {a: b}\n",
    ],
)
def test_the_stamp_is_one_output_more_and_nothing_else(tmp_path: Path, outputs: str) -> None:
    template = load(written(tmp_path, BODY + outputs))
    stamped = template.stamped(DIGEST)
    again = load(written(tmp_path, stamped, "stamped.yml"))
    assert again.outputs.pop("TwineDigest")["Value"] == DIGEST
    assert again.outputs == template.outputs and again.resources == template.resources
    assert unstamped(stamped).split() == (BODY + (outputs or "Outputs:\n")).split()


def test_json_is_stamped_too(tmp_path: Path) -> None:
    template = load(written(tmp_path, json.dumps({"Resources": {"T": {"Type": "AWS::SNS::Topic"}}}), "t.json"))
    assert json.loads(template.stamped(DIGEST))["Outputs"]["TwineDigest"]["Value"] == DIGEST


def test_outputs_on_one_line_are_refused_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="on a line of its own"):
        load(written(tmp_path, BODY + "Outputs: {Arn: {Value: !Ref Topic}}\n")).stamped(DIGEST)


def test_comments_and_layout_do_not_change_the_digest(tmp_path: Path) -> None:
    plain = load(written(tmp_path, BODY))
    other = load(written(tmp_path, "# why\n" + BODY.replace("!Ref Name", "{Ref: Name}"), "other.yml"))
    assert plain.digest == other.digest


def test_each_part_changes_the_stacks_digest(tmp_path: Path) -> None:
    template = load(written(tmp_path, BODY))
    other = load(written(tmp_path, BODY.replace("-topic", "-queue"), "other.yml"))
    found = {
        digest_of(template, {"Name": "a"}, (), {}),
        digest_of(other, {"Name": "a"}, (), {}),
        digest_of(template, {"Name": "b"}, (), {}),
        digest_of(template, {"Name": "a"}, ("CAPABILITY_IAM",), {}),
        digest_of(template, {"Name": "a"}, (), {"team": "x"}),
    }
    assert len(found) == 5


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("a: [", "Run cfn-lint"),
        ("- a", "it has no Resources"),
        ("Resources: {}", "it has no Resources"),
        (BODY + "Outputs: [a]", "'Outputs' is not a mapping"),
        (BODY + "#" * MAX_BODY, "CloudFormation takes 51200"),
    ],
)
def test_what_is_no_template_is_refused(tmp_path: Path, body: str, told: str) -> None:
    with pytest.raises(Failure) as failure:
        load(written(tmp_path, body))
    assert told in str(failure.value) and "t.yml" in str(failure.value)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="Correct the stack's 'template'"):
        load(tmp_path / "none.yml")


def test_a_python_object_in_yaml_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="could not determine a constructor"):
        load(written(tmp_path, BODY + "Metadata: !!python/object/apply:os.getcwd []\n", "evil.yml"))
