#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Writes a release file: the one small file that names everything a release is made of."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release_file
short_description: Write the file that names everything a release is made of
version_added: 0.1.0
description:
  - Writes a release as YAML, after checking every key of it.
  - A release that was written is immutable. The same content again changes nothing, other content under the same name is refused.
author:
  - The twine.platform authors (@twine-platform)
options:
  path:
    description: The file to write.
    type: path
    required: true
  release:
    description:
      - What it is made of, with the keys C(name), C(commit), C(images) (role to image id), C(bake_keys) (role to digest), C(templates) (file
        name to SHA-256) and C(plan) (C(account/stack) to digest).
    type: dict
    required: true
  snapshot:
    description:
      - The snapshot that the images were baked from, as C(playbooks/publish_packages.yml) notes it. Its name, our packages and those of
        the distribution become the keys C(snapshot), C(packages) and C(distribution).
    type: dict
    required: true
  pointer:
    description: Name of a symbolic link beside the file that is pointed to it, such as C(current.yml).
    type: str
    default: ""
attributes:
  check_mode:
    description: Tells what would be written, writes nothing.
    support: full
  diff_mode:
    description: Shows the file, and which release the pointer left.
    support: full
seealso:
  - module: twine.platform.release_plan
  - module: twine.platform.release_check
"""

EXAMPLES = r"""
- name: Name what this release is made of
  twine.platform.release_file:
    path: releases/1.0.1-0a1b2c3d.yml
    pointer: current.yml
    snapshot: "{{ lookup('ansible.builtin.file', 'build/releases/snapshot.json') | from_json }}"
    release:
      name: 1.0.1-0a1b2c3d
      commit: 35da608f1c2e
      images: {twine: ami-0123456789abcdef0}
      bake_keys: {twine: 0a1b2c3d4e5f}
      templates: "{{ planned.templates }}"
      plan: "{{ planned.plan }}"
"""

RETURN = r"""
path:
  description: The file.
  returned: always
  type: str
  sample: releases/1.0.1-0a1b2c3d.yml
differences:
  description: What changed from the release that the pointer pointed to, a sentence each; empty when there was none.
  returned: always
  type: list
  elements: str
  sample: ["package twine: 1.0.0-1~deb12 → 1.0.1-1~deb12"]
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.twine.platform.plugins.module_utils._release.difference import difference, sentences
from ansible_collections.twine.platform.plugins.module_utils._release.record import contents
from ansible_collections.twine.platform.plugins.module_utils._release.release import (
    YAML_IMPORT_ERROR,
    Release,
    ReleaseError,
    from_data,
    load,
    text_of,
)


def run(module: AnsibleModule) -> dict[str, Any]:
    """Compares, refuses or writes; returns the module's result."""
    path = Path(module.params["path"])
    given = {**module.params["release"], **contents(module.params["snapshot"]), **_given(path)}
    release = from_data(given, "the release to write")
    wanted = text_of(release)
    present = path.read_text() if path.exists() else ""
    if present and present != wanted:
        raise ReleaseError(f"Failed to write release {release.name}: {path} holds other content. Give the release another name.")
    pointer = path.with_name(module.params["pointer"]) if module.params["pointer"] else None
    moves = pointer is not None and not (pointer.is_symlink() and str(pointer.readlink()) == path.name)
    before = _pointed(pointer) if pointer and moves else None
    if not module.check_mode:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not present:
            module.atomic_move(_staged(module, wanted), str(path))
        if pointer and moves:
            _point(pointer, path.name)
    return {
        "changed": not present or moves,
        "path": str(path),
        "differences": sentences(difference(before, release)) if before else [],
        "diff": {"before": present, "after": wanted, "before_header": before.name if before else "", "after_header": release.name},
    }


def _given(path: Path) -> dict[str, dict[str, dict[str, str]]]:
    """The copies and shares of its images since it was written, which are no part of what it is made of."""
    try:
        release = load(path)[1]
    except ReleaseError:
        return {}
    return {"copies": release.copies, "shares": release.shares}


def _pointed(pointer: Path) -> Release | None:
    """The release that the pointer points to; none when it points nowhere, or to what is no release any more."""
    try:
        return load(pointer)[1]
    except ReleaseError:
        return None


def _point(pointer: Path, name: str) -> None:
    """Have the link point there, in one step: a reader sees the old release or the new one."""
    staged = pointer.with_name(f".{pointer.name}.new")
    staged.unlink(missing_ok=True)
    staged.symlink_to(name)
    staged.replace(pointer)


def _staged(module: AnsibleModule, text: str) -> str:
    staged = Path(module.tmpdir) / "release.yml"
    staged.write_text(text)
    return str(staged)


def main() -> None:
    """The only place that exits."""
    options = {
        "path": {"type": "path", "required": True},
        "release": {"type": "dict", "required": True},
        "snapshot": {"type": "dict", "required": True},
        "pointer": {"type": "str", "default": ""},
    }
    module = AnsibleModule(argument_spec=options, supports_check_mode=True)
    if YAML_IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("PyYAML"), exception=YAML_IMPORT_ERROR)
    try:
        module.exit_json(**run(module))
    except (ReleaseError, OSError) as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
