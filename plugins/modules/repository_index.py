#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Prove that a package repository holds exactly what was meant."""

from __future__ import annotations

DOCUMENTATION = r"""
module: repository_index
short_description: Prove that a package repository holds exactly what was meant, as its clients see it
version_added: 0.1.0
description:
  - Lets a real apt, which knows this one source and its key and nothing else, fetch and verify the published index,
    and compares what it read with what was meant. Fails on any package that is missing, too many, or of another
    version or content.
  - Changes nothing. Without O(image) it runs apt where the module runs; with it, in a throw-away container.
author:
  - The twine.platform authors (@twine-platform)
attributes:
  check_mode:
    description: The module only reads.
    support: full
  diff_mode:
    description: The module changes nothing.
    support: none
options:
  url:
    description: The repository's address.
    type: str
    required: true
  keyring:
    description: A file with the public key that the repository must be signed with, armored; where the module runs.
    type: path
    required: true
  packages:
    description: What was meant. With none, the packages are only returned.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: The package's name.
        type: str
        required: true
      version:
        description: Its whole Debian version.
        type: str
        required: true
      architecture:
        description: Its Debian architecture, or C(all).
        type: str
        required: true
      sha256:
        description: The SHA-256 of its file.
        type: str
        required: true
      file:
        description: Its file's name; of no matter here.
        type: str
  download:
    description: Names of packages whose files apt fetches and verifies as well.
    type: list
    elements: str
    default: []
  distribution:
    description: The published distribution.
    type: str
    default: bookworm
  component:
    description: The published component.
    type: str
    default: main
  architectures:
    description: Architectures whose indices are read; without any, that of the machine where apt runs.
    type: list
    elements: str
    default: []
  image:
    description: The Docker image of a throw-away container for apt.
    type: str
    default: ""
  network:
    description: The Docker network of that container.
    type: str
    default: ""
  labels:
    description: Docker labels of that container.
    type: dict
    default: {}
requirements:
  - apt, or docker (client) with O(image)
"""

EXAMPLES = r"""
- name: Read the index back as a client
  twine.platform.repository_index:
    url: http://repository/
    keyring: build/keys/archive-keyring.asc
    image: twine/base:bookworm
    network: twine-0a1b2c-build
    packages:
      - name: twine
        version: 1.0.0-1~deb12
        architecture: all
        sha256: 7d865e959b2466918c9863afca942d0fb89d7c9ac0c99bafc3749504ded97730
  delegate_to: localhost
"""

RETURN = r"""
packages:
  description: What a client finds in the index, by name. Of a package with several versions, the one that apt would install.
  returned: success
  type: dict
  sample:
    twine:
      version: 1.0.0-1~deb12
      architecture: all
      sha256: 7d865e959b2466918c9863afca942d0fb89d7c9ac0c99bafc3749504ded97730
index:
  description: Every package of the index, with what it depends on and provides, and whether the distribution requires it on every machine.
  returned: success
  type: list
  elements: dict
  sample:
    - name: twine
      version: 1.0.0-1~deb12
      architecture: all
      sha256: 7d865e959b2466918c9863afca942d0fb89d7c9ac0c99bafc3749504ded97730
      depends: adduser, gunicorn (>= 20.1)
      provides: ""
      required: false
digest:
  description: The SHA-256 over name, version, architecture and SHA-256 of every package.
  returned: success
  type: str
  sample: 0934d262a99cf8801298d54e84ff2730521f565ef530ab29560c979013e540b4
differences:
  description: Every way in which the index is not what was meant.
  returned: failure
  type: list
  elements: str
  sample: [twine_1.0.1-1~deb12_all is missing]
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.twine.platform.plugins.module_utils._packages.client import Client, Source
from ansible_collections.twine.platform.plugins.module_utils._packages.entry import Deb, content_digest
from ansible_collections.twine.platform.plugins.module_utils._packages.errors import PackageError
from ansible_collections.twine.platform.plugins.module_utils._packages.index import differences, entries
from ansible_collections.twine.platform.plugins.module_utils._packages.runner import ModuleRunner, Runner
from ansible_collections.twine.platform.plugins.module_utils._packages.versions import sort_key

PACKAGE: dict[str, dict[str, Any]] = {
    "name": {"type": "str", "required": True},
    "version": {"type": "str", "required": True},
    "architecture": {"type": "str", "required": True},
    "sha256": {"type": "str", "required": True},
    "file": {"type": "str"},
}

ARGUMENTS: dict[str, dict[str, Any]] = {
    "url": {"type": "str", "required": True},
    "keyring": {"type": "path", "required": True},
    "packages": {"type": "list", "elements": "dict", "default": [], "options": PACKAGE},
    "download": {"type": "list", "elements": "str", "default": []},
    "distribution": {"type": "str", "default": "bookworm"},
    "component": {"type": "str", "default": "main"},
    "architectures": {"type": "list", "elements": "str", "default": []},
    "image": {"type": "str", "default": ""},
    "network": {"type": "str", "default": ""},
    "labels": {"type": "dict", "default": {}},
}


def read(params: dict[str, Any], run: Runner) -> dict[str, Any]:
    """Read the index as a client and compare; returns the module's result, with differences when there are any."""
    keyring = Path(params["keyring"])
    if not keyring.is_file():
        raise PackageError(f"read {params['url']} as a client", f"its key {keyring} is not there", "Run playbooks/repository.yml: it fetches it")
    labels = tuple(f"{name}={value}" for name, value in sorted(params["labels"].items()))
    client = Client(run, params["image"], params["network"], labels)
    key, architectures = keyring.read_text(encoding="utf-8"), tuple(params["architectures"])
    source = Source(params["url"], params["distribution"], params["component"], key, architectures)
    meant = [Deb(item["name"], item["version"], item["architecture"], item["sha256"]) for item in params["packages"]]
    wanted = [f"{deb.name}={deb.version}" for deb in meant if deb.name in params["download"]]
    published = entries(client.read(source, wanted))
    found = sorted((entry.deb for entry in published), key=lambda deb: sort_key(deb.version))
    return {
        "packages": {deb.name: {"version": deb.version, "architecture": deb.architecture, "sha256": deb.sha256} for deb in found},
        "index": [entry.as_data() for entry in sorted(published, key=lambda entry: entry.deb)],
        "digest": content_digest(entry.deb for entry in published),
        "differences": differences(meant, published) if meant else [],
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        result = read(module.params, ModuleRunner(module.run_command))
    except PackageError as error:
        module.fail_json(msg=str(error))
    if result["differences"]:
        lines = "; ".join(result["differences"])
        module.fail_json(msg=f"Failed to prove the index of {module.params['url']}: {lines}. Publish again.", **result)
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
