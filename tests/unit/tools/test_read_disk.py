"""What debugfs says is read rightly; make box-qemu reads a whole disk."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from tools import read_disk

CAPABILITY = struct.pack("<5I", 0x02000001, 1 << 10, 0, 0, 0)
SAID = """debugfs: ea_list "/plain"
debugfs: ea_list "/usr/bin/a program"
Extended attributes:
  security.capability (20) = 01 00 00 02 00 04 00 00 00 00 00 00 00 00 00 00 00 00 00 00
  user.note (9) = "hello \\" \\001"
"""


def test_attributes_are_told_as_bytes_or_as_text() -> None:
    found = list(read_disk.attributes(SAID))
    assert found == [("/usr/bin/a program", "security.capability", CAPABILITY), ("/usr/bin/a program", "user.note", b'hello " \x01')]


def test_modes_are_told_whole_and_of_links_not_at_all() -> None:
    said = """debugfs 1.47.0 (5-Feb-2023)
debugfs: ls -p "/"
/2/040755/0/0/.//
/15/041777/0/0/tmp//
/16/120777/0/0/bin/7/

debugfs: ls -p "/usr/bin"
/20/104755/0/0/sudo/277/
"""
    assert list(read_disk.modes(said)) == [("/tmp", 0o1777), ("/usr/bin/sudo", 0o4755)]


@pytest.mark.parametrize("kind", ["mbr", "gpt"])
def test_the_first_partition_is_found_in_either_table(tmp_path: Path, kind: str) -> None:
    head = bytearray(34 * 512)
    struct.pack_into("<4xB3xI", head, 446, 0x83 if kind == "mbr" else 0xEE, 2048 if kind == "mbr" else 1)
    if kind == "gpt":
        struct.pack_into("<16s16sQ", head, 1024, b"t" * 16, b"u" * 16, 4096)
    (tmp_path / "disk").write_bytes(head)
    assert read_disk.first_partition(tmp_path / "disk") == (2048 if kind == "mbr" else 4096) * 512
