#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Build Debian packages from their definitions."""

from __future__ import annotations

DOCUMENTATION = r"""
module: deb_build
short_description: Build Debian packages from their definitions in throw-away containers
version_added: 0.1.0
description:
  - Reads C(package.yml) of each package strictly, fetches its sources from their registry, proves their digests,
    and builds it with C(dpkg-buildpackage) and C(lintian) in a container of the builder image without a network.
  - A package is built again only when its key changed. The key is a digest over the package's folder, its version,
    its sources' digests and the builder image. The reason for a build names what moved.
  - Independent packages are built side by side.
  - Each package is then installed on a clean machine, beside the packages of ours that it needs, and its smoke test is run.
    Only what passed goes into O(output), with its C(.buildinfo) and a CycloneDX bill of materials (C(.cdx.json)) beside it.
  - Runs on the machine that has the checkout and Docker's client, commonly the control node.
author:
  - The twine.platform authors (@twine-platform)
attributes:
  check_mode:
    description: Says what would be built and why, and writes nothing.
    support: full
  diff_mode:
    description: Shows the versions and inputs of the packages before and after.
    support: full
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
  versions:
    description: Upstream versions that stand in for those of the definitions, by package name.
    type: dict
    default: {}
  sources:
    description: Sources that stand in for those of the definitions, by package name; each like C(source) in C(package.yml).
    type: dict
    default: {}
  folder:
    description: The folder of packages, from the checkout's root.
    type: str
    default: packages
  output:
    description: The folder for the built packages, from the checkout's root.
    type: str
    default: build/packages
  cache:
    description: The folder for fetched sources, from the checkout's root.
    type: str
    default: build/sources
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
"""

EXAMPLES = r"""
- name: Build whatever changed
  twine.platform.deb_build:
    checkout: "{{ playbook_dir }}/.."

- name: Build one package in another version
  twine.platform.deb_build:
    checkout: "{{ playbook_dir }}/.."
    packages: [twine]
    versions:
      twine: 1.0.1
"""

RETURN = r"""
packages:
  description: Every package of this run, in the order of their names.
  returned: success
  type: list
  elements: dict
  sample:
    - name: twine
      version: 1.0.1-1~deb12
      architecture: all
      file: twine_1.0.1-1~deb12_all.deb
      sha256: 7d865e959b2466918c9863afca942d0fb89d7c9ac0c99bafc3749504ded97730
      how: built
      reason: version 1.0.0-1~deb12 → 1.0.1-1~deb12
      seconds: 9.4
summary:
  description: One line for each package that was not left alone, for people.
  returned: success
  type: list
  elements: str
  sample: ["twine 1.0.1-1~deb12: building, because version 1.0.0-1~deb12 → 1.0.1-1~deb12"]
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.twine.platform.plugins.module_utils._packages.build import Workshop, describe
from ansible_collections.twine.platform.plugins.module_utils._packages.builder import BaseImage, Builder
from ansible_collections.twine.platform.plugins.module_utils._packages.definition import defined_names, load_packages
from ansible_collections.twine.platform.plugins.module_utils._packages.errors import PackageError
from ansible_collections.twine.platform.plugins.module_utils._packages.runner import ModuleRunner, Runner
from ansible_collections.twine.platform.plugins.module_utils._packages.shelf import Shelf
from ansible_collections.twine.platform.plugins.module_utils._packages.smoke import SmokeTests
from ansible_collections.twine.platform.plugins.module_utils._packages.sources import Sources

ARGUMENTS: dict[str, dict[str, Any]] = {
    "checkout": {"type": "path", "required": True},
    "packages": {"type": "list", "elements": "str", "default": []},
    "versions": {"type": "dict", "default": {}},
    "sources": {"type": "dict", "default": {}},
    "folder": {"type": "str", "default": "packages"},
    "output": {"type": "str", "default": "build/packages"},
    "cache": {"type": "str", "default": "build/sources"},
    "distribution": {"type": "str", "default": "deb12"},
    "base_image": {"type": "str", "default": "twine/base:bookworm"},
    "labels": {"type": "dict", "default": {}},
}


def build(params: dict[str, Any], check: bool, run: Runner) -> dict[str, Any]:
    """Plan, and unless `check`, carry out; returns the module's result."""
    checkout = Path(params["checkout"]).resolve()
    labels = tuple(f"{name}={value}" for name, value in sorted(params["labels"].items()))
    folder, base, shelf = checkout / params["folder"], BaseImage(run, params["base_image"]), Shelf(checkout / params["output"])
    workshop = Workshop(
        builder=Builder(run, folder / "builder", base, labels),
        sources=Sources(checkout, checkout / params["cache"], run, params["base_image"], labels),
        shelf=shelf,
        distribution=params["distribution"],
        smoke=SmokeTests(run, folder / "smoke_test", base, shelf, labels),
    )
    packages = load_packages(folder, params["packages"], params["distribution"], params["sources"])
    before = {name: record.version for name, record in shelf.records().items()}
    steps = workshop.plan(packages, {name: str(version) for name, version in params["versions"].items()})
    said = [f"{step.package.name} {step.version}: {step.reason}" for step in steps if step.reason]
    after = {**before, **{step.package.name: step.version for step in steps}}
    result: dict[str, Any] = {
        "changed": bool(said),
        "packages": [{"name": step.package.name, "version": step.version, "reason": step.reason} for step in steps],
        "summary": said,
        "diff": {"before": _lines(before), "after": _lines(after)},
    }
    if not check:
        progress: list[str] = []
        outcomes = workshop.carry_out(steps, defined_names(folder), progress.append)
        result.update(packages=[describe(outcome) for outcome in outcomes], summary=progress)
    return result


def _lines(versions: dict[str, str]) -> str:
    return "".join(f"{name} {version}\n" for name, version in sorted(versions.items()))


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        module.exit_json(**build(module.params, module.check_mode, ModuleRunner(module.run_command)))
    except PackageError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
