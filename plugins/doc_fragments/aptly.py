# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Options that every aptly module has."""

from __future__ import annotations


class ModuleDocFragment:
    """Where aptly's files are, whose, and how long to wait for another who writes them."""

    DOCUMENTATION = r"""
options:
  root:
    description: aptly's folder, the home of its user.
    type: path
    default: /var/lib/aptly
  config:
    description: aptly's settings.
    type: path
    default: /etc/aptly.conf
  user:
    description: The user who owns aptly's files and the signing key; aptly runs as this user.
    type: str
    default: aptly
  writer:
    description: Who runs this and from where, such as V(ada@laptop); it is told to others who wait.
    type: str
    default: ""
  lock_timeout:
    description: Seconds to wait for another writer.
    type: int
    default: 600
requirements:
  - aptly >= 1.6.3
  - dpkg-deb
  - runuser (util-linux)
"""
