# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Options of modules that build packages, and of those that are told which packages are meant."""

from __future__ import annotations


class ModuleDocFragment:
    """How a package is built, and how one is named."""

    BUILD = r"""
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

    NAMED = r"""
options:
  packages:
    type: list
    elements: dict
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
        description: Its file's name.
        type: str
"""
