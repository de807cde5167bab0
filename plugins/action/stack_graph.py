# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Plan and deploy the stacks of all accounts as one graph. Documented in plugins/modules/stack_graph.py."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible.utils.display import Display

from ansible_collections.twine.platform.plugins.module_utils._aws.errors import Failure, sentence
from ansible_collections.twine.platform.plugins.module_utils._release import approval
from ansible_collections.twine.platform.plugins.module_utils._release.release import Release, from_data
from ansible_collections.twine.platform.plugins.module_utils._stacks.difference import differences
from ansible_collections.twine.platform.plugins.module_utils._stacks.engine import Engine, Options, Result
from ansible_collections.twine.platform.plugins.module_utils._stacks.images import Shared
from ansible_collections.twine.platform.plugins.module_utils._stacks.shape import shapes
from ansible_collections.twine.platform.plugins.plugin_utils.accounts import CREDENTIALS, VARIABLES, AccountsAction, entered

_TEMPLATES = Path(__file__).resolve().parents[2] / "cloudformation"
_SIGNERS = "account_release_signers"
# The one account whose images others may launch in place.
_BUILDER = "dev"
ARGUMENTS: dict[str, dict[str, Any]] = {
    "estate": {"type": "str", "required": True},
    "group": {"type": "str", "default": "accounts"},
    "accounts": {"type": "list", "elements": "str"},
    "stacks_variable": {"type": "str", "default": "stacks"},
    "only": {"type": "list", "elements": "str", "default": []},
    "release_file": {"type": "path"},
    "plan_only": {"type": "bool", "default": False},
    "destroy": {"type": "list", "elements": "str", "default": []},
    "templates": {"type": "list", "elements": "path", "default": []},
    "state_dir": {"type": "path"},
    "parallel": {"type": "int", "default": 8},
    "lock_wait": {"type": "int", "default": 900},
    **CREDENTIALS,
}


class ActionModule(AccountsAction):
    """Deploys from the controller."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Read, check, plan and, unless only asked, deploy."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _checked, options = self.validate_argument_spec(ARGUMENTS)
        try:
            engine = self.engine(options, task_vars or {}, Display().display)
            only_asked = self._task.check_mode or options["plan_only"]
            outcome = engine.plan(with_change_sets=not self._task.check_mode) if only_asked else engine.deploy()
            if self._task.diff:
                result["diff"] = differences(engine, outcome.decisions)
        except Failure as failure:
            return {**result, "failed": True, "msg": str(failure)}
        return {**result, **facts(outcome, would=self._task.check_mode)}

    def engine(self, options: dict[str, Any], task_vars: dict[str, Any], emit: Callable[[str], None]) -> Engine:
        """The engine over the inventory's accounts, with everything checked that can be before the first call."""
        names = self.known(names_in(options, task_vars), task_vars)
        closed = self._closed(names, options, task_vars)
        release = self._release(closed, options, task_vars)
        # What was checked is what is deployed, whatever another variable says.
        over = {"release": release.as_data()} if release else {}
        wanted = (*VARIABLES, options["stacks_variable"])
        hosts = {name: self.variables(name, wanted, task_vars["hostvars"], over) for name in names}
        engine = _engine(options, hosts, self._shared(release, task_vars), emit)
        if release and (strange := approval.strange(release, _standing(engine, release, closed))):
            why = f"account {', '.join(sorted(closed))} takes what that release names, and nothing else. {'; '.join(strange)}"
            remedy = f"Check out its commit ({release.commit}), or have a new release made, deployed to dev and promoted"
            raise Failure(sentence("deploy release", release.name, why, remedy))
        return engine

    def _shared(self, release: Release | None, task_vars: dict[str, Any]) -> Shared:
        """What the release says is shared by the account that bakes."""
        if not release or not release.shares or _BUILDER not in task_vars["hostvars"]:
            return Shared()
        owner = self.variables(_BUILDER, ("account_id",), task_vars["hostvars"], {}).get("account_id", "")
        return Shared(str(owner), {account: frozenset(images.values()) for account, images in release.shares.items()})

    def _closed(self, names: list[str], options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, str]:
        """Of the accounts that this run may write in, those that take signed releases only, with their files of allowed signers."""
        if options["plan_only"] or (self._task.check_mode and not options["release_file"]):
            return {}
        signers = {name: self.variables(name, (_SIGNERS,), task_vars["hostvars"], {}).get(_SIGNERS) or "" for name in names}
        return approval.closed(signers, options["only"])

    def _release(self, closed: dict[str, str], options: dict[str, Any], task_vars: dict[str, Any]) -> Release | None:
        """The release that is deployed, checked: its schema always, its signature for each account that asks for one."""
        if not options["release_file"]:
            if closed:
                why = "it takes signed releases only, and no release file was given"
                raise Failure(sentence("deploy to account", ", ".join(sorted(closed)), why, "Give the option release_file"))
            return None
        asked = [{"account": account, "signers": file} for account, file in closed.items()] or [{}]
        for more in asked:
            arguments = {"path": options["release_file"], **more}
            found = self._execute_module(module_name="twine.platform.release_check", module_args=arguments, task_vars=task_vars)
            if found.get("failed"):
                raise Failure(str(found.get("msg", "")))
        return from_data(found["release"])


def names_in(options: dict[str, Any], task_vars: dict[str, Any]) -> list[str]:
    """The accounts that are asked for."""
    names: list[str] = options["accounts"] or task_vars.get("groups", {}).get(options["group"], [])
    if not names:
        raise Failure(
            f"Failed to find accounts in group {options['group']}: the inventory has no such group, or it is empty. "
            "Pass an estate's inventory, e.g. -i inventories/local."
        )
    return names


def folders(options: dict[str, Any]) -> list[Path]:
    """Where templates are looked for: the user's own folders first."""
    return [*(Path(folder) for folder in options["templates"]), _TEMPLATES]


def _engine(options: dict[str, Any], hosts: dict[str, dict[str, Any]], shared: Shared, emit: Callable[[str], None]) -> Engine:
    accounts, clients = entered(options, hosts)
    cache = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "twine.platform"
    settings = Options(
        estate=options["estate"],
        folders=folders(options),
        state=Path(options["state_dir"] or cache) / options["estate"],
        only=tuple(options["only"]),
        destroy=frozenset(options["destroy"]),
        parallel=options["parallel"],
        lock_wait=float(options["lock_wait"]),
        shared=shared,
    )
    raw = {name: variables.get(options["stacks_variable"], []) for name, variables in hosts.items()}
    at_hand = {name: bool(account.admin_profile) for name, account in accounts.items()}
    return Engine(raw, clients, settings, emit, at_hand)


def _standing(engine: Engine, release: Release, closed: dict[str, str]) -> dict[str, approval.Standing]:
    """The stacks that would be deployed to closed accounts, as they would be."""
    digests = shapes(engine.stacks, release.images, release.copies)
    return {
        key: approval.Standing(engine.templates[key].path.name, hashlib.sha256(engine.templates[key].path.read_bytes()).hexdigest(), digests[key])
        for key, stack in engine.stacks.items()
        if key in engine.selected and stack.account in closed
    }


def facts(outcome: Result, would: bool) -> dict[str, Any]:
    """What the task returns."""
    plan = [
        {
            "stack": key,
            "verdict": decision.verdict,
            "why": decision.why,
            "waits_for": list(decision.waits_for),
            "unknown": list(decision.unknown),
            "changes": outcome.plans.get(key, []),
        }
        for key, decision in outcome.decisions.items()
    ]
    return {
        "changed": any(item["verdict"] != "unchanged" for item in plan) if would else bool(outcome.changed),
        "plan": plan,
        "changed_stacks": outcome.changed,
        "outputs": outcome.outputs,
        "durations": outcome.seconds,
        "critical_path": outcome.critical_path,
        "critical_seconds": round(outcome.critical_seconds, 2),
        "seconds": outcome.wall,
        "calls": outcome.calls,
        "unlisted": outcome.unlisted,
    }
