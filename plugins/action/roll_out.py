# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Roll a release out over the machines of one environment. Documented in plugins/modules/roll_out.py."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ansible.utils.display import Display

from ansible_collections.twine.platform.plugins.action.stack_graph import ARGUMENTS, facts
from ansible_collections.twine.platform.plugins.action.stack_graph import ActionModule as StackGraph
from ansible_collections.twine.platform.plugins.module_utils._aws.errors import Failure, sentence
from ansible_collections.twine.platform.plugins.module_utils._rollout.follow import Follower, Observation, explanation, state
from ansible_collections.twine.platform.plugins.module_utils._rollout.group import Group, Groups, Refresh
from ansible_collections.twine.platform.plugins.module_utils._rollout.preflight import Preflight, preflight
from ansible_collections.twine.platform.plugins.module_utils._stacks.engine import Engine

_OWN: dict[str, dict[str, Any]] = {
    "environment": {"type": "str", "required": True},
    "stack": {"type": "str", "default": "application"},
    "group_output": {"type": "str", "default": "GroupName"},
    "target_group_output": {"type": "str", "default": "TargetGroupArn"},
    "accept_full": {"type": "bool", "default": False},
}
_LEFT_OUT = ("only", "plan_only", "destroy", "accounts")


@dataclass(frozen=True)
class _Standing:
    """The group as the rollout finds it."""

    groups: Groups
    group: Group
    refresh: Refresh | None
    target_group: str
    checked: Preflight


class ActionModule(StackGraph):
    """A deploy of one stack, guarded before and watched meanwhile."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Look, judge, deploy the stack, watch its refresh, and say how it ended."""
        result: dict[str, Any] = super(StackGraph, self).run(tmp, task_vars)
        arguments = {name: spec for name, spec in ARGUMENTS.items() if name not in _LEFT_OUT}
        _checked, options = self.validate_argument_spec({**arguments, **_OWN})
        key = f"{options['environment']}/{options['stack']}"
        options.update(only=[key], plan_only=False, destroy=[], accounts=None)
        emit = Display().display
        try:
            engine = self.engine(options, task_vars or {}, emit)
            if not self._task.check_mode:
                self._await_earlier(engine, key, options, emit)
            standing = self._standing(engine, key, options)
            if standing is None:
                return {**result, "changed": False, "msg": f"{key} already is what the release says."}
            if self._task.check_mode:
                return {**result, **facts(engine.plan(with_change_sets=False), would=True), "floor": standing.checked.floor}
            return {**result, **_roll(engine, key, standing, emit)}
        except Failure as failure:
            return {**result, "failed": True, "msg": str(failure)}

    @staticmethod
    def _await_earlier(engine: Engine, key: str, options: dict[str, Any], emit: Callable[[str], None]) -> None:
        """If an earlier rollout is still under way (its operator may be gone), watch it to its end before judging anew."""
        decision = engine.look()[key]
        name = decision.observed.outputs.get(options["group_output"], "") if decision.observed else ""
        if decision.verdict != "busy" or decision.observed is None or not name:
            return
        groups = Groups(options["environment"], lambda service: engine.client(options["environment"], service))
        target_group = decision.observed.outputs.get(options["target_group_output"], "")
        group = groups.group(name, target_group)
        if group is None:
            return
        emit(f"rollout   {key}: {decision.why}; watching it to its end")
        with Follower(groups, group, None, target_group, emit):
            engine.settle(key)

    @staticmethod
    def _standing(engine: Engine, key: str, options: dict[str, Any]) -> _Standing | None:
        """The group, judged; ``None`` when there is nothing to roll out. Raises if the rollout may not begin."""
        decision = engine.look()[key]
        if decision.verdict == "unchanged":
            return None
        observed = decision.observed
        name = observed.outputs.get(options["group_output"], "") if observed else ""
        if observed is None or decision.verdict in ("create", "recreate") or not name:
            raise Failure(sentence("roll out", key, "it was never deployed", "Deploy it first with playbooks/deploy.yml"))
        groups = Groups(options["environment"], lambda service: engine.client(options["environment"], service))
        target_group = observed.outputs.get(options["target_group_output"], "")
        group = groups.group(name, target_group)
        if group is None:
            raise Failure(sentence("roll out", key, f"its group {name} does not exist", "Run playbooks/deploy.yml"))
        refresh = groups.refresh(name)
        checked = preflight(group, refresh, engine.least_healthy(key), options["accept_full"])
        if checked.problems:
            raise Failure("\n".join(f"Failed to begin the rollout of {key}: {problem}" for problem in checked.problems))
        return _Standing(groups, group, refresh, target_group, checked)


def _roll(engine: Engine, key: str, standing: _Standing, emit: Callable[[str], None]) -> dict[str, Any]:
    emit(f"rollout   {key}: at least {standing.checked.floor} machines serve all the time; {state(standing.group, None)}")
    begun = time.monotonic()
    with Follower(standing.groups, standing.group, standing.refresh, standing.target_group, emit) as follower:
        try:
            outcome = engine.deploy()
        except Failure as failure:
            follower.seen.failed_activity = standing.groups.failed_activity(standing.group.name)
            raise Failure(f"{failure}\n{explanation(follower.seen)}") from failure
    return {**facts(outcome, would=False), "rollout": _seen(follower.seen, standing, time.monotonic() - begun)}


def _seen(seen: Observation, standing: _Standing, seconds: float) -> dict[str, Any]:
    return {
        "floor": standing.checked.floor,
        "lowest_serving": seen.lowest_serving,
        "highest_desired": seen.highest_desired,
        "refresh": seen.refresh.status if seen.refresh else "none was needed",
        "versions": seen.group.versions() if seen.group else {},
        "seconds": round(seconds, 1),
    }
