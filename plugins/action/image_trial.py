# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Refuse images that booted badly in development. Documented in plugins/modules/image_trial.py."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible.utils.display import Display

from ansible_collections.twine.platform.plugins.action.stack_graph import ARGUMENTS
from ansible_collections.twine.platform.plugins.action.stack_graph import ActionModule as StackGraph
from ansible_collections.twine.platform.plugins.module_utils._aws.consoles import consoles
from ansible_collections.twine.platform.plugins.module_utils._aws.errors import Failure, sentence
from ansible_collections.twine.platform.plugins.module_utils._images.boot_record import TOLERANCE
from ansible_collections.twine.platform.plugins.module_utils._images.trial import Records, TrialError, judge, told

_OWN: dict[str, dict[str, Any]] = {
    "environment": {"type": "str", "default": "dev"},
    "images": {"type": "dict", "required": True},
    "records": {"type": "path", "required": True},
    "tolerance": {"type": "float", "default": TOLERANCE},
    "wait": {"type": "int", "default": 120},
}
_LEFT_OUT = ("only", "plan_only", "destroy", "accounts", "release_file")
_PAUSE = 2.0


class ActionModule(StackGraph):
    """Reads consoles in the account where the images are tried."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Take each image's best boot, judge it, and keep it if nothing is said against it."""
        result: dict[str, Any] = super(StackGraph, self).run(tmp, task_vars)
        arguments = {name: spec for name, spec in ARGUMENTS.items() if name not in _LEFT_OUT}
        _checked, options = self.validate_argument_spec({**arguments, **_OWN})
        options.update(only=[], plan_only=True, destroy=[], accounts=[], release_file=None)
        if options["tolerance"] < 1:
            return {**result, "failed": True, "msg": f"Failed to try images: tolerance is {options['tolerance']:g}. Give 1 or more."}
        records = Records(Path(options["records"]))
        try:
            ec2 = self.engine(options, task_vars or {}, Display().display).client(options["environment"], "ec2")
            tried = {role: _try(role, str(image), ec2, records, options) for role, image in options["images"].items()}
            fresh = {role: record for role, record in tried.items() if records.of(options["images"][role]) != record}
            for role, record in fresh.items() if not self._task.check_mode else ():
                records.keep(role, options["images"][role], record)
        except (Failure, TrialError, OSError) as failure:
            return {**result, "failed": True, "msg": str(failure)}
        return {**result, "changed": bool(fresh), "boots": tried}


def _try(role: str, image: str, ec2: Any, records: Records, options: dict[str, Any]) -> dict[str, Any]:
    """The record of an image's best boot; raises :class:`Failure` with all that is said against it."""
    environment, before = options["environment"], records.before(role, image)
    # A machine that runs for long may have said so much since that its console has lost the record.
    known = records.of(image)
    found = [known] if known else _await(lambda: consoles(ec2, environment, image), options["wait"])
    record, objected = judge(found, before, options["tolerance"])
    if objected:
        why = f"{'; '.join(objected)} ({len(found)} of its boots in {environment} were looked at)"
        remedy = f"Read the consoles of its machines in {environment}, mend and bake it, or replace the machines there for another try"
        raise Failure(sentence("promote image", f"{role} {image}", why, remedy))
    return record


def _await(ask: Callable[[], dict[str, str]], seconds: float) -> list[dict[str, Any]]:
    """The records that consoles tell: as soon as each machine's does, or those that there are after so many seconds."""
    deadline = time.monotonic() + seconds
    while True:
        texts = ask()
        found = [record for record in map(told, texts.values()) if record]
        if len(found) == len(texts) or time.monotonic() >= deadline:
            return found
        time.sleep(_PAUSE)
