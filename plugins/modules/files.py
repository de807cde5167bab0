#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Writes the files of a role that belong together."""

from __future__ import annotations

DOCUMENTATION = r"""
module: files
short_description: Write the files of a role that belong together, all or none
version_added: 0.1.0
author: The twine.platform authors (@twine-platform)
description:
  - Writes files from templates, files of the role or values. All are complete and have passed their commands before the first takes its
    place; if one is refused, none is written.
  - It asks a machine once, whatever the number of files. M(ansible.builtin.template) asks five times for each.
  - Folders that are missing are made, for root, with mode V(0755). A file takes its place by a rename, with its owner and mode.
  - Text only, in UTF-8. A link in a file's place is replaced.
options:
  files:
    description: The files.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description:
          - Where it lies on the machine.
          - Without it, where the template lies below C(templates/), without C(.j2).
        type: path
      template:
        description: A template, looked for as M(ansible.builtin.template) does. One of O(files[].template), O(files[].source) and O(files[].content).
        type: str
      source:
        description: A file as it is, looked for as M(ansible.builtin.copy) does.
        type: str
      content:
        description: The content itself.
        type: str
      owner:
        description: Name of the user that it belongs to.
        type: str
        default: root
      group:
        description: Name of its group.
        type: str
        default: root
      mode:
        description: Its mode, in octal digits that begin with 0, in quotes.
        type: str
        default: "0644"
      validate:
        description:
          - A command that fails if the file is bad; V(%s) stands for the file, which lies beside its place, its name hidden by a dot.
          - It's run without a shell. What it says is in the error.
        type: str
attributes:
  check_mode:
    description: Tells what would be written, and writes nothing; commands are not run.
    support: full
  diff_mode:
    description: Shows content, or mode and owner where the content is there. C(no_log) hides it.
    support: full
  platform:
    description: Systems on which it runs.
    support: full
    platforms: posix
  action:
    description: Templates are rendered on the controller.
    support: full
"""

EXAMPLES = r"""
- name: Configure nginx
  twine.platform.files:
    files:
      - template: etc/nginx/nginx.conf.j2
        validate: /usr/sbin/nginx -t -c %s
      - template: etc/systemd/system/nginx.service.d/twine.conf.j2
      - path: /etc/issue.net
        content: "Authorized use only.\n"
  notify: Reload nginx
"""

RETURN = r"""
written:
  description: Paths of the files that were written, or would be.
  returned: success
  type: list
  elements: str
  sample: [/etc/nginx/nginx.conf]
files:
  description: All of them, and what each is made of.
  returned: success
  type: list
  elements: dict
  contains:
    path:
      description: Where it lies on the machine.
      type: str
    source:
      description: Its template or file in the role; empty for bare content.
      type: str
  sample: [{path: /etc/nginx/nginx.conf, source: etc/nginx/nginx.conf.j2}]
"""

import shlex
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.twine.platform.plugins.module_utils._files import ARGUMENTS, FilesError, Wanted, write


def run(module: AnsibleModule) -> dict[str, Any]:
    """Writes what does not stand yet; returns the module's result."""
    given = module.params["files"]
    wanted = [
        Wanted(Path(one["path"]), (one["content"] or "").encode(), one["owner"], one["group"], one["mode"], one["validate"] or "") for one in given
    ]

    def start(command: str) -> tuple[int, str, str]:
        code, out, err = module.run_command(shlex.split(command), expand_user_and_vars=False, errors="replace")
        return code, out, err

    differences = write(wanted, start, module.check_mode)
    return {"changed": bool(differences), "written": [one["after_header"] for one in differences], "diff": differences}


def main() -> None:
    """The only place that exits."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        module.exit_json(**run(module))
    except FilesError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
