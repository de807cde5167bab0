"""What a deploy does when things go wrong: it says what, leaves nothing that the next run trips over, and goes on from there."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse

from ansible_collections.twine.platform.plugins.module_utils._aws.accounts import Accounts, Source
from ansible_collections.twine.platform.plugins.module_utils._aws.errors import Failure
from ansible_collections.twine.platform.plugins.module_utils._stacks.images import Shared
from tests.scenarios.stacks.estate import Cloud, deploy, deploy_and_die, engine, layer, standing, tiny

BUCKET = """\
Parameters: {Name: {Type: String}}
Resources:
  Files: {Type: "AWS::S3::Bucket", Properties: {BucketName: !Ref Name}}
Outputs:
  Name: {Value: !Ref Files}
"""

IMAGE = """\
Parameters: {ImageId: {Type: "AWS::EC2::Image::Id"}, Above: {Type: String}}
Resources:
  Template: {Type: "AWS::EC2::LaunchTemplate", Properties: {LaunchTemplateData: {ImageId: !Ref ImageId}}}
Outputs:
  Name: {Value: !Ref Template}
"""


def test_an_image_that_is_not_there_or_somebody_elses_is_told_before_the_first_write(cloud: Cloud) -> None:
    deploy(cloud, tiny())
    (cloud.folder / "image.yml").write_text(IMAGE)
    raw = tiny("w")
    gone = {"ImageId": "ami-ffffffffffffffff0", "Above": {"output": "network.Name"}}
    raw["dev"][2] = {"name": "application", "template": "image.yml", "parameters": gone}
    before = standing(cloud)
    with pytest.raises(Failure, match=r"deploy stack dev/application: image ami-ffffffffffffffff0 is not there in account dev"):
        deploy(cloud, raw)
    assert standing(cloud) == before

    ec2 = Accounts(cloud.accounts(), cloud.operator()).client("dev", "ec2", "account")
    image = ec2.describe_images(Owners=["amazon"])["Images"][0]
    gone["ImageId"] = image["ImageId"]
    with pytest.raises(Failure, match=r"deploy stack dev/application: image ami-\w+ is of account \d{12}, and account dev launches only what it"):
        deploy(cloud, raw, shared=Shared(image["OwnerId"], {"prod": {image["ImageId"]}}))
    assert standing(cloud) == before
    assert "dev/application" in deploy(cloud, raw, shared=Shared(image["OwnerId"], {"dev": {image["ImageId"]}})).changed


def test_a_failed_stack_tells_its_first_failure_and_the_next_run_mends_it(cloud: Cloud) -> None:
    raw = tiny()
    raw["dev"][1] = layer("network", template="broken.yml")
    with pytest.raises(Failure) as failure:
        deploy(cloud, raw)
    told = str(failure.value)
    assert "Failed to deploy stack dev/network: Broken (AWS::SQS::Queue) CREATE_FAILED" in told
    assert "The stack is ROLLBACK_COMPLETE now" in told and "dev/application" in told.rpartition("Not begun:")[2]
    mended = deploy(cloud, tiny())
    assert mended.decisions["dev/network"].verdict == "recreate"
    assert {stack["status"] for stack in standing(cloud).values()} == {"CREATE_COMPLETE"}
    assert deploy(cloud, tiny()).changed == []


def test_a_failed_update_goes_back_by_itself_and_is_told(cloud: Cloud) -> None:
    deploy(cloud, tiny())
    before = standing(cloud)
    raw = tiny()
    raw["dev"][1] = layer("network", template="broken.yml")
    with pytest.raises(Failure, match=r"Broken .* The stack is UPDATE_ROLLBACK_COMPLETE now"):
        deploy(cloud, raw)
    after = standing(cloud)["dev/estate-network"]
    assert after["outputs"] == before["dev/estate-network"]["outputs"]
    assert deploy(cloud, tiny()).changed == []


def test_a_review_in_progress_that_somebody_left_is_taken_away(cloud: Cloud) -> None:
    deploy(cloud, tiny(), only=("dev/access",))
    client = Accounts(cloud.accounts(), cloud.operator()).client("dev", "cloudformation", "account")
    body = "Resources: {T: {Type: 'AWS::SNS::Topic'}}"
    client.create_change_set(StackName="estate-network", ChangeSetName="left", ChangeSetType="CREATE", TemplateBody=body)
    assert deploy(cloud, tiny()).decisions["dev/network"].verdict == "recreate"
    assert standing(cloud)["dev/estate-network"]["outputs"]["Name"] == "/estate-network"


def test_what_is_stateful_is_not_replaced_unless_it_is_named(cloud: Cloud) -> None:
    (cloud.folder / "bucket.yml").write_text(BUCKET)

    def files(name: str) -> dict[str, Any]:
        return tiny() | {"dev": [*tiny()["dev"], {"name": "files", "template": "bucket.yml", "parameters": {"Name": name}}]}

    deploy(cloud, files("first"))
    stands = standing(cloud)
    with pytest.raises(Failure, match=r"replace Files .* destroy=\['dev/files.Files'\]"):
        deploy(cloud, files("second"))
    assert standing(cloud) == stands
    assert deploy(cloud, files("second"), destroy=frozenset({"dev/files.Files"})).changed == ["dev/files"]


class Body:
    """The body of an answer, as urllib3 gives it to botocore."""

    def __init__(self, text: bytes) -> None:
        self.text = text

    def stream(self, **_options: Any) -> Iterator[bytes]:
        yield self.text


class Rude(Accounts):
    """Each distinct request is refused once before it is let through."""

    def __init__(self, cloud: Cloud, code: str, status: int) -> None:
        super().__init__(cloud.accounts(), cloud.operator())
        self.answer = f"<ErrorResponse><Error><Code>{code}</Code><Message>once</Message></Error></ErrorResponse>".encode()
        self.status = status
        self.seen: set[bytes] = set()
        self.refused: Counter[str] = Counter()
        self.guard = threading.Lock()

    def client(self, account: str, service: str, source: Source = "role") -> Any:
        client = super().client(account, service, source)
        client.meta.events.register("before-send.cloudformation", self.refuse, unique_id="rude")
        return client

    def refuse(self, request: Any, event_name: str, **_options: Any) -> AWSResponse | None:
        body = f"{request.headers['Authorization'][:60]!r}{request.body!r}".encode()
        with self.guard:
            if body in self.seen:
                return None
            self.seen.add(body)
            self.refused[event_name.rpartition(".")[2]] += 1
        return AWSResponse(request.url, self.status, {}, Body(self.answer))


@pytest.mark.parametrize(("code", "status"), [("Throttling", 400), ("InternalFailure", 500)])
def test_every_call_refused_once_ends_in_the_same_state(cloud: Cloud, code: str, status: int) -> None:
    rude = Rude(cloud, code, status)
    deploy(cloud, tiny(), accounts=rude)
    assert {"CreateChangeSet", "ExecuteChangeSet", "DescribeStacks", "DescribeChangeSet", "UpdateTerminationProtection"} <= set(rude.refused)
    assert deploy(cloud, tiny()).changed == []
    assert {stack["status"] for stack in standing(cloud).values()} == {"CREATE_COMPLETE"}


def test_a_run_killed_at_any_record_is_simply_started_again(cloud: Cloud) -> None:
    """R2: ``kill -9`` after the first, second, third … record; each next run goes on where the last one died."""
    raw = {"dev": tiny()["dev"]}
    deaths, told = 0, []
    for at in (1, 2, 3, 4, 5, 3, 2):
        deaths += deploy_and_die(cloud, raw, at)
    engine(cloud, raw, told=told.append).deploy()
    assert deaths >= 5
    assert deploy(cloud, raw).changed == []
    found = standing(cloud)
    assert {stack["status"] for key, stack in found.items() if key.startswith("dev/")} == {"CREATE_COMPLETE"}
    assert all(stack["protected"] for key, stack in found.items() if key.startswith("dev/"))


def test_two_deploys_at_once_go_one_after_the_other_and_say_so(cloud: Cloud) -> None:
    told: list[str] = []
    runs = [engine(cloud, tiny(), told=told.append), engine(cloud, tiny(), told=told.append)]
    results: list[Any] = []
    threads = [threading.Thread(target=lambda run=run: results.append(run.deploy())) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert sorted(len(result.changed) for result in results) == [0, 5]
    assert sum(line.startswith("waiting:") for line in told) == 1
