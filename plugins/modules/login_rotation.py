#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin twine.platform.login_rotation."""

from __future__ import annotations

DOCUMENTATION = r"""
module: login_rotation
short_description: Give a login in Secrets Manager another password
version_added: 0.1.0
author: The twine.platform authors (@twine-platform)
description:
  - Writes a new version of a secret that is JSON with C(username) and C(password), with the same user and a password that Secrets Manager makes.
    The password is neither shown nor kept.
  - What uses the login takes it over by itself. Machines fetch their secrets every ten minutes, the first that has the new one sets it in the
    database, and an application that is refused asks for it at once.
  - The version before stays in Secrets Manager as C(AWSPREVIOUS), until the next rotation.
options:
  environment:
    description: Account that holds the secret.
    type: str
    required: true
  secret:
    description: Name or ARN of the secret.
    type: str
    required: true
extends_documentation_fragment:
  - twine.platform.accounts
  - twine.platform.attributes.controller
attributes:
  check_mode:
    description: Sees that there is such a login, and writes nothing.
    support: full
seealso:
  - module: twine.platform.stack_graph
"""

EXAMPLES = r"""
- name: Give the application another password for the database of dev
  twine.platform.login_rotation:
    environment: dev
    secret: /twine/dev/database_application
"""

RETURN = r"""
username:
  description: Whose password it is.
  returned: success
  type: str
version:
  description: The secret's version from now on.
  returned: success
  type: str
previous_version:
  description: Its version before.
  returned: success
  type: str
"""
