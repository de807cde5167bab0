# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What modules of one kind have in common: how they run, and what they support."""

from __future__ import annotations


class ModuleDocFragment:
    """One kind a variable; a module that differs in one attribute states that one, and it wins."""

    CONTROLLER = r"""
attributes:
  check_mode:
    description: Tells what would be done, and writes nothing.
    support: full
  diff_mode:
    description: Shows what would change, or has changed.
    support: none
  platform:
    description: Operating systems on which the controller may run.
    support: N/A
    platforms: all
  action:
    description: The work is done by an action plugin, on the controller; nothing is needed on a target.
    support: full
  async:
    description: Runs with the keyword C(async).
    support: none
  bypass_host_loop:
    description: Runs once for all hosts of the play.
    support: none
  connection:
    description: Uses the connection to the target.
    support: none
  become:
    description: Uses the keywords of C(become).
    support: none
  delegation:
    description: May be delegated to another host.
    support: none
"""

    READER = r"""
attributes:
  check_mode:
    description: The module only reads.
    support: full
  diff_mode:
    description: The module changes nothing.
    support: none
"""
