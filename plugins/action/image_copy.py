# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Have a release's images in another account, or share them with it. Documented in plugins/modules/image_copy.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.utils.display import Display

from ansible_collections.twine.platform.plugins.module_utils._aws import image_copies, image_shares
from ansible_collections.twine.platform.plugins.module_utils._aws.accounts import Account, Accounts
from ansible_collections.twine.platform.plugins.module_utils._aws.errors import Failure, sentence
from ansible_collections.twine.platform.plugins.module_utils._aws.image_copies import COPIED_FROM, End, Wanted
from ansible_collections.twine.platform.plugins.module_utils._release.release import Release, ReleaseError, from_data
from ansible_collections.twine.platform.plugins.plugin_utils.accounts import CREDENTIALS, AccountsAction

_ARGUMENTS: dict[str, dict[str, Any]] = {
    "release": {"type": "dict", "required": True},
    "roles": {"type": "list", "elements": "str"},
    "source": {"type": "str", "default": "dev"},
    "target": {"type": "str", "default": "prod"},
    "kms_key_id": {"type": "str", "default": ""},
    "share": {"type": "bool", "default": False},
    "wait": {"type": "int", "default": 3600},
    **CREDENTIALS,
}


class ActionModule(AccountsAction):
    """Talks to both accounts."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Find, copy, wait, tag; or share."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _checked, options = self.validate_argument_spec(_ARGUMENTS)
        names = [options["source"], options["target"]]
        try:
            wanted = wanted_of(from_data(options["release"]), options["roles"], options["source"])
            found, accounts = self.enter(options, task_vars or {}, names)
            source, target = (
                End(name, found[name].account_id, found[name].region, accounts.client(name, "ec2", accounts.source(name))) for name in names
            )
            if options["share"]:
                shared = share_all(source, target, wanted, lambda end: _keys(found, accounts, end), self._task.check_mode)
                return {**result, **shared}
            copied = copy_all(source, target, wanted, options, self._task.check_mode, Display().display)
        except (Failure, ReleaseError) as failure:
            return {**result, "failed": True, "msg": str(failure)}
        return {**result, **copied}


def wanted_of(release: Release, roles: list[str] | None, source: str) -> list[Wanted]:
    """What is wanted of a release: each role's image, with the tags that say where it came from. They do not travel with an image."""
    unknown = sorted(set(roles or []) - release.images.keys())
    if unknown:
        raise Failure(f"Failed to copy image {unknown[0]}: release {release.name} has none. Take some of {', '.join(sorted(release.images))}.")
    return [
        Wanted(
            role,
            release.images[role],
            {
                "Name": f"{role}-{release.bake_keys[role]}",
                "twine:role": role,
                "twine:bake-key": release.bake_keys[role],
                "twine:snapshot": release.snapshot,
                "twine:commit": release.commit,
                "twine:release": release.name,
                "twine:source-account": source,
                COPIED_FROM: release.images[role],
            },
        )
        for role in (sorted(release.images) if roles is None else roles)
    ]


def copy_all(source: End, target: End, wanted: list[Wanted], options: dict[str, Any], check: bool, emit: Callable[[str], None]) -> dict[str, Any]:
    """Copy what the target lacks, side by side; returns the action's result."""
    there = {one.role: image_copies.found(target, one.image) for one in wanted}
    lacking = [one for one in wanted if (there[one.role] or {}).get("State") not in ("available", "pending", "transient")]
    copies = {role: str(row["ImageId"]) for role, row in there.items() if row}
    if not check:
        failed = {one.role: row for one in lacking if (row := there[one.role])}
        for row in failed.values():
            image_copies.drop(target, row)
        # A copy that is under way reads its source, too, and the run that began it may have ended.
        waiting = [one.image for one in wanted if one in lacking or (there[one.role] or {})["State"] != "available"]
        with image_copies.shared(source, target, waiting):
            copies |= {
                one.role: image_copies.start(source, target, one, options["kms_key_id"], str(failed.get(one.role, {}).get("ImageId", "")))
                for one in lacking
            }
            image_copies.await_all(target, copies, options["wait"], emit)
    own = [one for one in wanted if one not in lacking and copies[one.role] != one.image]
    marked = [one.role for one in own if image_copies.mark(target, copies[one.role], one.tags, not check)]
    return {
        "changed": bool(lacking or marked),
        "copied": [one.role for one in lacking],
        "shared": [],
        "images": {role: image for role, image in copies.items() if not (check and role in {one.role for one in lacking})},
    }


def share_all(source: End, target: End, wanted: list[Wanted], keys: Callable[[End], Any], check: bool) -> dict[str, Any]:
    """Let the target launch the very images; returns the action's result."""
    images = {one.role: one.image for one in wanted}
    steps = image_shares.missing(source, target, images, keys)
    if not check:
        image_shares.write(source, target, steps)
    return {
        "changed": bool(steps),
        "copied": [],
        "shared": [step.what for step in steps],
        "images": images,
        "diff": [{"before_header": one.what, "after_header": one.what, "before": one.before, "after": one.after or f"{one.what}\n"} for one in steps],
    }


def _keys(found: dict[str, Account], accounts: Accounts, end: End) -> Any:
    """KMS of an account as its administrator: who deploys there may change no key's policy and make no grant."""
    if not found[end.name].admin_profile:
        why = "the images are encrypted with a key, and 'account_admin_profile' is not set"
        remedy = "Set it to a profile of an administrator there, who may write a key's policy and make grants"
        raise Failure(sentence("share images as account", end.name, why, remedy))
    return accounts.client(end.name, "kms", "account")
