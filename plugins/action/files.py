# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Render the files of a role, and have them written in one go. Documented in plugins/modules/files.py."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.plugins.loader import lookup_loader

from ansible_collections.twine.platform.plugins.module_utils._files import ARGUMENTS

MODULE = "twine.platform.files"
ENDING = ".j2"
MADE_OF = ("template", "source")


class ActionModule(ActionBase):
    """What a template says is worked out on the controller; what the machine has is compared on the machine."""

    TRANSFERS_FILES = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Ask the machine once, whatever the number of files."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _checked, arguments = self.validate_argument_spec(ARGUMENTS)
        entries = [{name: value for name, value in one.items() if value is not None} for one in arguments["files"]]
        whole = [self._whole(one, task_vars or {}) for one in entries]
        result.update(self._execute_module(module_name=MODULE, module_args={"files": whole}, task_vars=task_vars))
        result.pop("invocation", None)
        made_of = [(one, next((entry[name] for name in MADE_OF if name in entry), "")) for one, entry in zip(whole, entries, strict=True)]
        result["files"] = [{"path": one["path"], "source": source} for one, source in made_of if not one.get("directory")]
        return result

    def _whole(self, entry: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        """The entry with its path and its content."""
        rest = {name: value for name, value in entry.items() if name not in MADE_OF}
        if template := entry.get("template"):
            path = rest.get("path", "/" + str(template).removesuffix(ENDING))
            return {**rest, "path": path, "content": self._rendered(str(template), variables)}
        if source := entry.get("source"):
            return {**rest, "content": Path(self._find_needle("files", str(source))).read_text(encoding="utf-8")}
        if isinstance(content := entry.get("content"), (dict, list)):
            return {**rest, "content": json.dumps(content)}
        return rest

    def _rendered(self, template: str, variables: dict[str, Any]) -> str:
        lookup = lookup_loader.get("ansible.builtin.template", loader=self._loader, templar=self._templar)
        if lookup is None:
            raise AnsibleActionFail("Failed to render a template: the lookup ansible.builtin.template is not there. Install ansible-core again.")
        return str(lookup.run([template], variables=variables)[0])
