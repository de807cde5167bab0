# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which task of which role wrote which file, as far as one run of ansible-playbook has come.

The callback notes it in Ansible's main process; a task's worker is forked from that, so the action plugin sees all that was
noted before its task.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

# Actions that leave one file with content of ours, and where their result or arguments name it.
WRITERS: Mapping[str, str] = {
    "ansible.builtin.template": "dest",
    "ansible.builtin.copy": "dest",
    "ansible.builtin.lineinfile": "path",
    "ansible.builtin.blockinfile": "path",
    "ansible.builtin.replace": "path",
    "ansible.builtin.get_url": "dest",
    "ansible.builtin.file": "dest",
    "ansible.builtin.deb822_repository": "dest",
    "ansible.posix.authorized_key": "keyfile",
}
# It leaves several, and tells of each.
FILES = "twine.platform.files"


@dataclass(frozen=True)
class Written:
    """A file on a machine and the task that wrote it; ``source`` is its template or file, empty for bare values."""

    path: str
    role: str
    task: str
    source: str


_seen: dict[str, dict[str, Written]] = {}


def note(host: str, action: str, result: Mapping[str, Any], role: str, task: str, arguments: Mapping[str, Any]) -> None:
    """Remember what a finished task wrote on ``host``; what no role did, or left no one file, is not remembered."""
    if action == FILES and role:
        for one in result.get("files", []):
            _remember(host, Written(one["path"], role, task, one["source"]))
    name = WRITERS.get(action)
    given = result.get("invocation", {}).get("module_args", {}) if isinstance(result.get("invocation"), Mapping) else {}
    path = str((result.get(name) or given.get(name) or "") if name else "")
    if not role or not PurePosixPath(path).is_absolute() or given.get("state") in ("absent", "directory"):
        return
    if action == "ansible.builtin.file" and result.get("state") not in ("link", "hard", "file"):
        return
    source = str(arguments.get("src", ""))
    if "{{" in source:
        source = str(given.get("_original_basename") or given.get("src") or "")
    _remember(host, Written(path, role, task, "" if action == "ansible.builtin.file" else source))


def _remember(host: str, entry: Written) -> None:
    _seen.setdefault(host, {})[entry.path] = entry


def written(host: str) -> list[Written]:
    """What was noted of ``host``, by path."""
    return [entry for _path, entry in sorted(_seen.get(host, {}).items())]


def forget() -> None:
    """Begin anew: for tests."""
    _seen.clear()
