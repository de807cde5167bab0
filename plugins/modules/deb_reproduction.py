#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Prove that Debian packages are reproducible."""

from __future__ import annotations

DOCUMENTATION = r"""
module: deb_reproduction
short_description: Prove that Debian packages are built reproducibly
version_added: 0.1.0
description:
  - Builds each package twice, both times from nothing, fetched sources included. The builds differ in path, time, time zone,
    locale, umask and host name, as the builds themselves read them.
  - Fails when the two debs are not the same bytes, and says which file in the deb differs in what.
author:
  - The twine.platform authors (@twine-platform)
attributes:
  check_mode:
    description: Builds nothing, and says which packages would be built.
    support: full
  diff_mode:
    description: There is nothing of which it could show a difference.
    support: none
options:
  checkout:
    description: The checkout's root; generated sources are named from here.
    type: path
    required: true
  packages:
    description: Names of the packages to build; all that have a definition when empty.
    type: list
    elements: str
    default: []
  folder:
    description: The folder of packages, from the checkout's root.
    type: str
    default: packages
  output:
    description:
      - The folder for both builds, from the checkout's root. It is emptied first, and removed when all debs are the same bytes.
    type: str
    default: build/reproduction
  distribution:
    description: The distribution's mark at the end of each version.
    type: str
    default: deb12
  base_image:
    description: The Docker image from which the builder image is made.
    type: str
    default: twine/base:bookworm
  labels:
    description: Docker labels of the build containers.
    type: dict
    default: {}
requirements:
  - docker (client)
  - PyYAML
  - mvn, for packages whose source is an artifact of a Maven repository
seealso:
  - module: twine.platform.deb_build
"""

EXAMPLES = r"""
- name: Prove that every package is built reproducibly
  twine.platform.deb_reproduction:
    checkout: "{{ playbook_dir }}/.."
"""

RETURN = r"""
proofs:
  description: Each package with the digests of both debs and the surroundings that both builds read.
  returned: when packages were built
  type: list
  elements: dict
  sample:
    - name: twine
      version: 2026.1.0-1~deb12
      digests:
        - 7d865e959b2466918c9863afca942d0fb89d7c9ac0c99bafc3749504ded97730
        - 7d865e959b2466918c9863afca942d0fb89d7c9ac0c99bafc3749504ded97730
      surroundings:
        - {path: /build/package, clock: "2026-01-05T10:00Z", zone: "+0000", locale: C.UTF-8, weekday: Monday, umask: "0022", host: one}
        - {path: /tmp/x, clock: "2027-02-09T10:00Z", zone: "+1400", locale: tr_TR.UTF-8, weekday: Pazar, umask: "0077", host: other}
      differences: []
summary:
  description: The same for people.
  returned: when packages were built, and in check mode
  type: list
  elements: str
  sample: ["twine 2026.1.0-1~deb12: the same bytes"]
"""

import shutil
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.twine.platform.plugins.module_utils._packages.builder import BaseImage, Builder
from ansible_collections.twine.platform.plugins.module_utils._packages.definition import load_packages
from ansible_collections.twine.platform.plugins.module_utils._packages.errors import PackageError
from ansible_collections.twine.platform.plugins.module_utils._packages.reproduction import Proof, reproduce, table
from ansible_collections.twine.platform.plugins.module_utils._packages.runner import ModuleRunner, Runner
from ansible_collections.twine.platform.plugins.module_utils._packages.sources import Sources

ARGUMENTS: dict[str, dict[str, Any]] = {
    "checkout": {"type": "path", "required": True},
    "packages": {"type": "list", "elements": "str", "default": []},
    "folder": {"type": "str", "default": "packages"},
    "output": {"type": "str", "default": "build/reproduction"},
    "distribution": {"type": "str", "default": "deb12"},
    "base_image": {"type": "str", "default": "twine/base:bookworm"},
    "labels": {"type": "dict", "default": {}},
}


def prove(params: dict[str, Any], check: bool, run: Runner) -> dict[str, Any]:
    """Build everything twice, unless `check`; returns the module's result."""
    checkout = Path(params["checkout"]).resolve()
    folder, output = checkout / params["folder"], checkout / params["output"]
    packages = load_packages(folder, params["packages"], params["distribution"], {})
    if check:
        return {"changed": True, "failed": False, "summary": [f"{package.name} would be built twice" for package in packages]}
    labels = tuple(f"{name}={value}" for name, value in sorted(params["labels"].items()))
    builder = Builder(run, folder / "builder", BaseImage(run, params["base_image"]), labels)
    sources = Sources(checkout, output, run, params["base_image"], labels)
    proofs = reproduce(builder, sources, output, params["distribution"], packages, lambda _line: None)
    result = {"changed": True, "failed": False, "proofs": [_described(proof) for proof in proofs], "summary": table(proofs)}
    unlike = [f"{proof.name}: {', '.join(proof.differences)}" for proof in proofs if proof.differences]
    if not unlike:
        shutil.rmtree(output)
        return result
    remedy = "Find in its build what writes that, and make it depend on SOURCE_DATE_EPOCH and the sources alone"
    error = PackageError(f"reproduce {len(unlike)} of {len(proofs)} packages", "; ".join(unlike), f"{remedy}; both debs lie in {output}")
    return {**result, "failed": True, "msg": str(error)}


def _described(proof: Proof) -> dict[str, Any]:
    return {
        "name": proof.name,
        "version": proof.version,
        "digests": list(proof.digests),
        "surroundings": [dict(seen) for seen in proof.surroundings],
        "differences": list(proof.differences),
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        result = prove(module.params, module.check_mode, ModuleRunner(module.run_command))
    except PackageError as error:
        module.fail_json(msg=str(error))
    if result["failed"]:
        module.fail_json(**result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
