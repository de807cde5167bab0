"""An auto scaling group, its machines and its refreshes, as AWS's answers show them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .._aws.errors import explain

RUNNING = ("Pending", "InProgress", "Baking", "Cancelling", "RollbackInProgress")
GOOD = ("Successful",)


@dataclass(frozen=True)
class Machine:
    """One instance of the group."""

    id: str
    lifecycle: str
    healthy: bool
    version: str
    target: str = ""  # its state at the balancer, empty where there is none
    reason: str = ""  # why the balancer gives it no requests

    @property
    def serves(self) -> bool:
        """Whether it counts: the group and the balancer both say so. A group alone calls a machine in service that answers nothing yet."""
        return self.lifecycle == "InService" and self.healthy and self.target in ("", "healthy")


@dataclass(frozen=True)
class Group:
    """The group as it is at this moment."""

    name: str
    desired: int
    least: int
    most: int
    machines: tuple[Machine, ...]
    suspended: tuple[str, ...]

    @property
    def serving(self) -> int:
        """Machines that serve."""
        return sum(machine.serves for machine in self.machines)

    def versions(self) -> dict[str, int]:
        """Machines that serve, by version of the launch template."""
        return dict(sorted(Counter(machine.version for machine in self.machines if machine.serves).items()))

    def ailing(self) -> dict[str, str]:
        """Machines to which the balancer gives no requests → the reason it gives."""
        return {machine.id: machine.reason for machine in self.machines if machine.target == "unhealthy"}


@dataclass(frozen=True)
class Refresh:
    """An instance refresh."""

    id: str
    status: str
    reason: str
    percent: int
    left: int

    @property
    def running(self) -> bool:
        """Whether it is not at its end."""
        return self.status in RUNNING


class Groups:
    """The calls; ``client`` gives a client of a service in the account of the group."""

    def __init__(self, account: str, client: Callable[[str], Any]) -> None:
        self._account = account
        self._client = client

    def _ask(self, service: str, operation: str, which: str, **request: Any) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = getattr(self._client(service), operation)(**request)
        except Exception as error:
            raise explain(operation.replace("_", " "), f"{self._account}/{which}", error) from error
        return answer

    def group(self, name: str, target_group: str = "") -> Group | None:
        """The group now, with what its balancer thinks of each machine; ``None`` if there is none of that name."""
        found = self._ask("autoscaling", "describe_auto_scaling_groups", name, AutoScalingGroupNames=[name])
        groups = found["AutoScalingGroups"]
        return _group(groups[0], self._targets(target_group) if target_group else None) if groups else None

    def refreshes(self, name: str) -> list[Refresh]:
        """Its latest refreshes, the newest first."""
        found = self._ask("autoscaling", "describe_instance_refreshes", name, AutoScalingGroupName=name, MaxRecords=5)
        return [_refresh(raw) for raw in found["InstanceRefreshes"]]

    def refresh(self, name: str) -> Refresh | None:
        """Its latest refresh."""
        return next(iter(self.refreshes(name)), None)

    def failed_activity(self, name: str) -> str:
        """Why the group could not launch or end a machine the last time, if that failed."""
        found = self._ask("autoscaling", "describe_scaling_activities", name, AutoScalingGroupName=name, MaxRecords=10)
        for activity in found["Activities"]:
            if activity.get("StatusCode") == "Failed":
                return str(activity.get("StatusMessage") or activity.get("Description", ""))
        return ""

    def _targets(self, arn: str) -> dict[str, dict[str, Any]]:
        if not arn:
            return {}
        found = self._ask("elbv2", "describe_target_health", arn, TargetGroupArn=arn)
        return {target["Target"]["Id"]: target["TargetHealth"] for target in found["TargetHealthDescriptions"]}


def _reason(health: dict[str, Any]) -> str:
    return ": ".join(str(health[key]) for key in ("Reason", "Description") if health.get(key)) or "unhealthy"


def _machine(raw: dict[str, Any], targets: dict[str, dict[str, Any]] | None) -> Machine:
    health = (targets or {}).get(raw["InstanceId"], {"State": "unused"} if targets is not None else {})
    return Machine(
        id=raw["InstanceId"],
        lifecycle=raw["LifecycleState"],
        healthy=raw["HealthStatus"].lower() == "healthy",
        version=str(raw.get("LaunchTemplate", {}).get("Version", "?")),
        target=health.get("State", ""),
        reason=_reason(health) if health else "",
    )


def _group(raw: dict[str, Any], targets: dict[str, dict[str, Any]] | None) -> Group:
    machines = tuple(_machine(item, targets) for item in raw.get("Instances", []))
    return Group(
        name=raw["AutoScalingGroupName"],
        desired=int(raw["DesiredCapacity"]),
        least=int(raw["MinSize"]),
        most=int(raw["MaxSize"]),
        machines=machines,
        suspended=tuple(item["ProcessName"] for item in raw.get("SuspendedProcesses", [])),
    )


def _refresh(raw: dict[str, Any]) -> Refresh:
    return Refresh(
        id=raw["InstanceRefreshId"],
        status=raw["Status"],
        reason=raw.get("StatusReason", ""),
        percent=int(raw.get("PercentageComplete", 0)),
        left=int(raw.get("InstancesToUpdate", 0)),
    )
