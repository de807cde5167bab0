#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Writes the files of a role that belong together."""

from __future__ import annotations

DOCUMENTATION = r"""
module: files
short_description: Write the files of a role that belong together, their folders and links, all or none
version_added: 0.1.0
author: The twine.platform authors (@twine-platform)
description:
  - Writes files from templates, files of the role or values. All are complete and have passed their commands before the first takes its
    place; if one is refused, none is written.
  - It asks a machine once, whatever the number of files. M(ansible.builtin.template) asks five times for each.
  - Folders that are listed come first; those that are missing above a path are made, for root, with mode V(0755). They stay if a file is
    refused. A file or link takes its place by a rename, a file with its owner and mode.
  - Text only, in UTF-8. A link in a file's place is replaced, and a file in a link's.
options:
  files:
    description:
      - The files, folders and links. Each is made of one of O(files[].template), O(files[].source), O(files[].content), O(files[].link)
        and O(files[].directory).
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
        description: A template, looked for as M(ansible.builtin.template) does.
        type: str
      source:
        description: A file as it is, looked for as M(ansible.builtin.copy) does.
        type: str
      content:
        description: The content itself; a mapping or a list is written as JSON, as M(ansible.builtin.copy) does.
        type: raw
      link:
        description: It's a symbolic link, and this is where it points; V(/dev/null) masks a unit of systemd. It has no owner and no mode.
        type: str
      directory:
        description: It's a folder.
        type: bool
        choices: [true]
      owner:
        description: Name or number of the user that it belongs to.
        type: str
        default: root
      group:
        description: Name or number of its group.
        type: str
        default: root
      mode:
        description: Its mode, in octal digits that begin with 0, in quotes. Without it, V(0644) for a file and V(0755) for a folder.
        type: str
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
      - path: /etc/nginx/sites-enabled/twine
        link: ../sites-available/twine
      - path: /var/cache/nginx
        directory: true
        owner: www-data
        mode: "0700"
  notify: Reload nginx
"""

RETURN = r"""
written:
  description: Paths of what was written, or would be.
  returned: success
  type: list
  elements: str
  sample: [/etc/nginx/nginx.conf]
files:
  description: All files and links, and what each is made of.
  returned: success
  type: list
  elements: dict
  contains:
    path:
      description: Where it lies on the machine.
      type: str
    source:
      description: Its template or file in the role; empty for bare content and links.
      type: str
  sample: [{path: /etc/nginx/nginx.conf, source: etc/nginx/nginx.conf.j2}]
"""

import shlex
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.twine.platform.plugins.module_utils._files import ARGUMENTS, FILE_MODE, FOLDER_MODE, FilesError, Folder, Link, Wanted, write


def run(module: AnsibleModule) -> dict[str, Any]:
    """Writes what does not stand yet; returns the module's result."""
    wanted = [_wanted(one) for one in module.params["files"]]

    def start(command: str) -> tuple[int, str, str]:
        code, out, err = module.run_command(shlex.split(command), expand_user_and_vars=False, errors="replace")
        return code, out, err

    differences = write(wanted, start, module.check_mode)
    return {"changed": bool(differences), "written": [one["after_header"] for one in differences], "diff": differences}


def _wanted(one: dict[str, Any]) -> Wanted:
    path, owners = Path(one["path"]), (one["owner"], one["group"])
    if one["directory"]:
        return Folder(path, b"", *owners, one["mode"] or FOLDER_MODE)
    if one["link"] is not None:
        return Link(path, one["link"].encode())
    return Wanted(path, (one["content"] or "").encode(), *owners, one["mode"] or FILE_MODE, one["validate"] or "")


def main() -> None:
    """The only place that exits."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        module.exit_json(**run(module))
    except FilesError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
