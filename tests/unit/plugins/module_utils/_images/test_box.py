from __future__ import annotations

import json
import struct
import tarfile
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from ansible_collections.twine.platform.plugins.module_utils._images.box import (
    FIRST_SECTOR,
    SECTOR,
    VAGRANTFILE,
    BoxError,
    Disk,
    boot_loader,
    grub_commands,
    metadata,
    ovf,
    write_box,
)

DISK = Disk(8, "d1")
STAGE = bytes(range(1, 256)) * 2 + b"\x55\xaa"
CORE = b"core" * 200
RASD = "{http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData}"
OVF = "{http://schemas.dmtf.org/ovf/envelope/1}"


def test_the_table_has_one_partition_to_the_end_of_the_disk() -> None:
    sector = boot_loader(STAGE, CORE, DISK)[:SECTOR]
    active, kind, first, count = struct.unpack_from("<B3xB3xII", sector, 446)
    assert (active, kind, first) == (0x80, 0x83, FIRST_SECTOR)
    assert (first + count) * SECTOR == 8 * 2**30
    assert sector[462:510] == bytes(48)


def test_the_first_stage_stays_and_loads_the_core_behind_it() -> None:
    written = boot_loader(STAGE, CORE, DISK)
    assert written[:0x5C] == STAGE[:0x5C]
    assert written[0x64:440] == STAGE[0x64:440]
    assert struct.unpack_from("<Q", written, 0x5C) == (1,)
    assert written[510:SECTOR] == b"\x55\xaa"
    assert written[SECTOR:] == CORE


@pytest.mark.parametrize(
    ("stage", "core", "said"),
    [
        (STAGE[:-1], CORE, "boot.img has 511 bytes"),
        (bytes(SECTOR), CORE, "no signature"),
        (STAGE, b"", "core has 0 bytes"),
        (STAGE, bytes(FIRST_SECTOR * SECTOR), "Take modules out"),
    ],
)
def test_what_could_not_boot_is_refused(stage: bytes, core: bytes, said: str) -> None:
    with pytest.raises(BoxError, match=said):
        boot_loader(stage, core, DISK)


def test_a_file_system_is_named_by_what_is_on_it() -> None:
    assert DISK.file_system == Disk(8, "d1").file_system != Disk(8, "d2").file_system
    assert f"root=UUID={DISK.file_system} " in grub_commands(DISK)


def test_each_provider_is_told_what_it_asks_for() -> None:
    assert json.loads(metadata("libvirt", DISK)) == {"provider": "libvirt", "architecture": "amd64", "format": "qcow2", "virtual_size": 8}
    assert json.loads(metadata("virtualbox", DISK)) == {"provider": "virtualbox", "architecture": "amd64"}


def test_a_box_holds_its_parts_and_nothing_of_this_machine(tmp_path: Path) -> None:
    (tmp_path / "disk").write_bytes(b"disk")
    write_box(tmp_path / "a.box", {"metadata.json": "{}", "Vagrantfile": VAGRANTFILE}, {"box.img": tmp_path / "disk"})
    with tarfile.open(tmp_path / "a.box") as box:
        assert box.getnames() == ["Vagrantfile", "metadata.json", "box.img"]
        assert {(member.uname, member.uid, member.mode, member.mtime) for member in box} == {("", 0, 0o644, 0)}
        content = box.extractfile("box.img")
        assert content is not None
        assert content.read() == b"disk"


def test_virtualbox_is_given_a_disk_and_a_card_that_the_kernel_knows() -> None:
    envelope = ET.fromstring(ovf("twine <box>", DISK, "box.vmdk", 1234))
    items = [{element.tag.removeprefix(RASD): element.text for element in item} for item in envelope.iter(f"{OVF}Item")]
    by_kind = {item["ResourceType"]: item for item in items}
    assert by_kind["20"]["ResourceSubType"] == "VirtioSCSI"
    assert by_kind["10"]["ResourceSubType"] == "virtio"
    assert (by_kind["17"]["Parent"], by_kind["17"]["HostResource"]) == (by_kind["20"]["InstanceID"], "/disk/vmdisk1")
    assert (by_kind["3"]["VirtualQuantity"], by_kind["4"]["VirtualQuantity"]) == ("2", "2048")
    # The schema wants an item's elements in the order of their names.
    assert all(list(item) == sorted(item) for item in items)
    file, disk = next(envelope.iter(f"{OVF}File")), next(envelope.iter(f"{OVF}Disk"))
    assert (file.get(f"{OVF}href"), file.get(f"{OVF}size")) == ("box.vmdk", "1234")
    assert (disk.get(f"{OVF}fileRef"), disk.get(f"{OVF}capacity")) == (file.get(f"{OVF}id"), str(8 * 2**30))
