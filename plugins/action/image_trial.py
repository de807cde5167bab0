# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Refuse images that booted badly in development. Documented in plugins/modules/image_trial.py."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from ansible_collections.twine.platform.plugins.module_utils._aws.consoles import consoles, tag_image
from ansible_collections.twine.platform.plugins.module_utils._aws.errors import Failure
from ansible_collections.twine.platform.plugins.module_utils._images.boot_record import TOLERANCE
from ansible_collections.twine.platform.plugins.module_utils._images.trial import Records, TrialError, summary, try_image
from ansible_collections.twine.platform.plugins.plugin_utils.accounts import CREDENTIALS, AccountsAction

TAG = "twine:boot"
_ARGUMENTS: dict[str, dict[str, Any]] = {
    "environment": {"type": "str", "default": "dev"},
    "images": {"type": "dict", "required": True},
    "records": {"type": "path", "required": True},
    "tolerance": {"type": "float", "default": TOLERANCE},
    "wait": {"type": "int", "default": 120},
    **CREDENTIALS,
}


class ActionModule(AccountsAction):
    """Reads consoles in the account where the images are tried."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Judge each image by its boots, and keep the record of those that nothing is said against."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _checked, options = self.validate_argument_spec(_ARGUMENTS)
        if options["tolerance"] < 1:
            return {**result, "failed": True, "msg": f"Failed to try images: tolerance is {options['tolerance']:g}. Give 1 or more."}
        records = Records(Path(options["records"]))
        try:
            ec2 = self.enter(options, task_vars or {}, [options["environment"]])[1].client(options["environment"], "ec2", "role")
            how = {"tolerance": options["tolerance"], "wait": options["wait"]}
            asked = {role: partial(consoles, ec2, options["environment"], image) for role, image in options["images"].items()}
            tried = {role: try_image(role, options["images"][role], ask, records, **how) for role, ask in asked.items()}
            fresh = {role: record for role, record in tried.items() if records.of(options["images"][role]) != record}
            for role, record in fresh.items() if not self._task.check_mode else ():
                tag_image(ec2, options["environment"], options["images"][role], TAG, summary(record))
                records.keep(role, options["images"][role], record)
        except (Failure, TrialError, OSError) as failure:
            return {**result, "failed": True, "msg": str(failure)}
        return {**result, "changed": bool(fresh), "boots": tried}
