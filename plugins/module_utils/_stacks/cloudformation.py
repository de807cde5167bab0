"""CloudFormation's calls in one account and region, with typed answers. Nothing here decides anything."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from .._aws.errors import code_of, explain, message_of
from . import changes
from .template import DIGEST_OUTPUT

LEFTOVERS = ("REVIEW_IN_PROGRESS", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED")
GOOD = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE")
READY = (*GOOD, "UPDATE_ROLLBACK_COMPLETE", "IMPORT_ROLLBACK_COMPLETE")


@dataclass(frozen=True)
class Observed:
    """A stack as DescribeStacks shows it."""

    name: str
    stack_id: str
    status: str
    reason: str = ""
    digest: str = ""
    protected: bool = False
    outputs: dict[str, str] = field(default_factory=dict)
    parameters: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    updated: str = ""  # when the last operation began

    @property
    def busy(self) -> bool:
        """Whether CloudFormation is at work on it."""
        return self.status.endswith("_IN_PROGRESS") and self.status != "REVIEW_IN_PROGRESS"

    @property
    def leftover(self) -> bool:
        """Never came to be (or only half went): there is nothing in it to keep."""
        return self.status in LEFTOVERS


@dataclass(frozen=True)
class ChangeSet:
    """A change set as DescribeChangeSet shows it."""

    arn: str
    status: str
    reason: str
    changes: tuple[changes.Change, ...]

    @property
    def settled(self) -> bool:
        """Whether CloudFormation is done computing it."""
        return self.status in ("CREATE_COMPLETE", "FAILED", "DELETE_COMPLETE", "DELETE_FAILED")

    @property
    def empty(self) -> bool:
        """Whether it failed only because nothing would change."""
        reason = self.reason.lower()
        return self.status == "FAILED" and ("didn't contain changes" in reason or "no updates are to be" in reason)


@dataclass(frozen=True)
class Event:
    """One stack event."""

    id: str
    time: datetime
    logical_id: str
    type: str
    status: str
    reason: str
    token: str

    @property
    def failed(self) -> bool:
        """Whether it tells of a failure that has not merely followed from another."""
        return self.status.endswith("_FAILED") and "cancelled" not in self.reason.lower()


@dataclass(frozen=True)
class Request:
    """Everything CreateChangeSet is given."""

    stack: str
    name: str
    create: bool
    body: str
    parameters: dict[str, str]
    capabilities: tuple[str, ...]
    tags: dict[str, str]
    description: str


class CloudFormation:
    """The calls. ``client`` is asked each time, so that a session can be renewed in between."""

    def __init__(self, account: str, client: Callable[[], Any], counted: Callable[[str], None]) -> None:
        self._account = account
        self._client = client
        self._counted = counted

    def _call(self, operation: str, which: str, **request: Any) -> dict[str, Any]:
        client = self._client()
        self._counted(operation)
        try:
            answer: dict[str, Any] = getattr(client, operation)(**request)
        except Exception as error:
            raise explain(operation.replace("_", " "), f"{self._account}/{which}", error) from error
        return answer

    def stacks(self) -> dict[str, Observed]:
        """Every stack of the account that is not deleted, by name."""
        found: dict[str, Observed] = {}
        token: str | None = None
        while True:
            page = self._call("describe_stacks", "*", **({"NextToken": token} if token else {}))
            found.update({raw["StackName"]: _observed(raw) for raw in page["Stacks"]})
            token = page.get("NextToken")
            if not token:
                return found

    def stack(self, name_or_id: str) -> Observed | None:
        """One stack, or ``None`` if there is none (any more)."""
        self._counted("describe_stacks")
        try:
            page = self._client().describe_stacks(StackName=name_or_id)
        except Exception as error:
            if code_of(error) == "ValidationError" and "does not exist" in message_of(error):
                return None
            raise explain("describe stack", f"{self._account}/{name_or_id}", error) from error
        observed = _observed(page["Stacks"][0])
        return None if observed.status == "DELETE_COMPLETE" else observed

    def template(self, name: str) -> str:
        """The body that stands now, as it was sent."""
        body = self._call("get_template", name, StackName=name, TemplateStage="Original")["TemplateBody"]
        if isinstance(body, str):
            return body
        import json

        return json.dumps(body)

    def create_change_set(self, request: Request) -> str:
        """Ask for a change set; returns its ARN."""
        answer = self._call(
            "create_change_set",
            request.stack,
            StackName=request.stack,
            ChangeSetName=request.name,
            ChangeSetType="CREATE" if request.create else "UPDATE",
            TemplateBody=request.body,
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in request.parameters.items()],
            Capabilities=list(request.capabilities),
            Tags=[{"Key": key, "Value": value} for key, value in request.tags.items()],
            Description=request.description,
            ClientToken=request.name,
        )
        return str(answer["Id"])

    def change_set(self, arn: str, stack: str) -> ChangeSet:
        """The change set with all its changes."""
        raw: list[dict[str, Any]] = []
        token: str | None = None
        while True:
            more = {"NextToken": token} if token else {}
            page = self._call("describe_change_set", stack, ChangeSetName=arn, StackName=stack, **more)
            raw.extend(page.get("Changes", []))
            token = page.get("NextToken")
            if not token:
                break
        return ChangeSet(
            arn=arn,
            status=str(page["Status"]),
            reason=str(page.get("StatusReason", "")),
            changes=changes.read(raw),
        )

    def execute(self, arn: str, stack: str, token: str) -> None:
        """Execute it, once: the token makes a repeated call harmless."""
        self._call("execute_change_set", stack, ChangeSetName=arn, StackName=stack, ClientRequestToken=token)

    def delete_change_set(self, arn: str, stack: str) -> None:
        """Take a change set away."""
        self._call("delete_change_set", stack, ChangeSetName=arn, StackName=stack)

    def delete(self, stack_id: str) -> None:
        """Delete a stack."""
        self._call("delete_stack", stack_id, StackName=stack_id)

    def protect(self, name: str, on: bool) -> None:
        """Switch termination protection."""
        self._call("update_termination_protection", name, StackName=name, EnableTerminationProtection=on)

    def events(self, stack_id: str, token: str) -> list[Event]:
        """The events of one operation (its client request token), oldest first."""
        found: list[Event] = []
        next_token: str | None = None
        while True:
            more = {"NextToken": next_token} if next_token else {}
            page = self._call("describe_stack_events", stack_id, StackName=stack_id, **more)
            fresh = [_event(raw) for raw in page["StackEvents"]]
            found.extend(event for event in fresh if not token or event.token == token)
            next_token = page.get("NextToken")
            if not next_token or (token and fresh and fresh[-1].token not in ("", token)):
                return sorted(found, key=lambda event: event.time)


def _observed(raw: dict[str, Any]) -> Observed:
    outputs = {item["OutputKey"]: str(item.get("OutputValue", "")) for item in raw.get("Outputs", [])}
    return Observed(
        name=raw["StackName"],
        stack_id=raw["StackId"],
        status=raw["StackStatus"],
        reason=raw.get("StackStatusReason", ""),
        digest=outputs.pop(DIGEST_OUTPUT, ""),
        protected=bool(raw.get("EnableTerminationProtection", False)),
        outputs=outputs,
        parameters={item["ParameterKey"]: item.get("ParameterValue", "") for item in raw.get("Parameters", [])},
        tags={item["Key"]: item["Value"] for item in raw.get("Tags", [])},
        updated=str(raw.get("LastUpdatedTime", "")),
    )


def _event(raw: dict[str, Any]) -> Event:
    return Event(
        id=raw["EventId"],
        time=raw["Timestamp"],
        logical_id=raw.get("LogicalResourceId", ""),
        type=raw.get("ResourceType", ""),
        status=raw.get("ResourceStatus", ""),
        reason=raw.get("ResourceStatusReason", ""),
        token=raw.get("ClientRequestToken", ""),
    )
