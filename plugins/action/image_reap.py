# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Find and remove what bakes left behind. Documented in plugins/modules/image_reap.py."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible_collections.twine.platform.plugins.module_utils._aws import leftovers
from ansible_collections.twine.platform.plugins.module_utils._aws.errors import Failure
from ansible_collections.twine.platform.plugins.module_utils._images.reaping import Account, launched, left
from ansible_collections.twine.platform.plugins.module_utils._release.release import ReleaseError, load
from ansible_collections.twine.platform.plugins.plugin_utils.accounts import CREDENTIALS, AccountsAction

_ARGUMENTS: dict[str, dict[str, Any]] = {
    "accounts": {"type": "list", "elements": "str", "default": ["dev", "prod", "bastion"]},
    "releases": {"type": "path", "required": True},
    "older_than": {"type": "float", "default": 24.0},
    "apply": {"type": "bool", "default": False},
    **CREDENTIALS,
}


class ActionModule(AccountsAction):
    """Looks into every account before it removes anything in one."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Look everywhere, decide, and remove if that was asked for."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _checked, options = self.validate_argument_spec(_ARGUMENTS)
        try:
            named = named_in(Path(options["releases"]))
            _found, accounts = self.enter(options, task_vars or {}, options["accounts"])
            ec2 = {name: accounts.client(name, "ec2", accounts.source(name)) for name in options["accounts"]}
            now = datetime.now(UTC)
            looked = {name: Account(**leftovers.look(client, name)) for name, client in ec2.items()}
            # What dev shares runs elsewhere.
            used = {image for account in looked.values() for image in launched(account)}
            found = {name: left(account, named, options["older_than"], now, used) for name, account in looked.items()}
            removes = options["apply"] and not self._task.check_mode
            for name, things in found.items():
                for thing in things if removes else []:
                    leftovers.remove(ec2[name], name, thing.kind, thing.id)
        except (Failure, ReleaseError) as failure:
            return {**result, "failed": True, "msg": str(failure)}
        lines = [f"{name} {one.kind.replace('_', ' ')} {one.id}: {one.why}" for name, things in found.items() for one in things]
        return {
            **result,
            "changed": bool(lines) and options["apply"],
            "removed": bool(lines) and removes,
            "left": {name: [asdict(one) for one in things] for name, things in found.items()},
            "report": lines or ["Nothing is left behind."],
        }


def named_in(folder: Path) -> set[str]:
    """Every image that a release file of ``folder`` names.

    :raises Failure: if there is no release file: then every image would count as unused. ReleaseError: if one cannot be read.
    """
    files = [path for path in sorted(folder.glob("*.yml")) if path.is_file()]
    if not files:
        why = "it holds no release file, and every image would count as unused"
        raise Failure(f"Failed to look for unused images: {folder}: {why}. Name the folder of all releases that may be deployed again.")
    releases = [load(path)[1] for path in files]
    return {image for release in releases for images in (release.images, *release.copies.values()) for image in images.values()}
