"""What makes a disk bootable and a disk a Vagrant box: the boot sector, and the files that describe a box to its provider.

Pure: bytes and text out of values. tools/box.py has the disk made.
"""

from __future__ import annotations

import io
import json
import struct
import tarfile
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

SECTOR = 512
# Partitions begin at 1 MiB: before that lie the boot sector and GRUB.
FIRST_SECTOR = 2048
GIBIBYTE = 2**30
_LINUX, _BOOTABLE = 0x83, 0x80
# Where GRUB's boot.S keeps what it loads, and where a PC keeps its table: https://www.gnu.org/software/grub/manual/grub/html_node/Images.html
_GRUB_NEXT, _CODE_END, _TABLE = 0x5C, 440, 446
# The largest address of a cylinder: what every tool writes where only the sector's number counts.
_BEYOND = b"\xfe\xff\xff"


class BoxError(Exception):
    """A box could not be made; the message says why and what to do."""


@dataclass(frozen=True)
class Disk:
    """A disk of one partition: its size in GiB, and the digest of what is on it, by which its identifiers are chosen."""

    gibibytes: int
    key: str

    @property
    def partition_sectors(self) -> int:
        """All sectors from the first one of the partition."""
        return self.gibibytes * GIBIBYTE // SECTOR - FIRST_SECTOR

    @property
    def file_system(self) -> uuid.UUID:
        """The file system's id: the same disk always has the same."""
        return uuid.uuid5(uuid.NAMESPACE_OID, f"box {self.key}")


def boot_loader(boot_image: bytes, core_image: bytes, disk: Disk) -> bytes:
    """The bytes before the partition: GRUB's first stage with the table of partitions, then its core.

    :raises BoxError: if GRUB's images are not what they should be.
    """
    if len(boot_image) != SECTOR or boot_image[510:] != b"\x55\xaa":
        raise BoxError(f"Failed to make the boot sector: GRUB's boot.img has {len(boot_image)} bytes, or no signature. Bake the box again.")
    room = (FIRST_SECTOR - 1) * SECTOR
    if not 0 < len(core_image) <= room:
        raise BoxError(f"Failed to make the boot sector: GRUB's core has {len(core_image)} bytes, there is room for {room}. Take modules out of it.")
    sector = bytearray(boot_image)
    struct.pack_into("<Q", sector, _GRUB_NEXT, 1)
    struct.pack_into("<I", sector, _CODE_END, disk.file_system.fields[0])
    sector[_TABLE : _TABLE + 64] = bytes(64)
    entry = struct.pack("<B3sB3sII", _BOOTABLE, _BEYOND, _LINUX, _BEYOND, FIRST_SECTOR, disk.partition_sectors)
    sector[_TABLE : _TABLE + 16] = entry
    return bytes(sector) + core_image


def grub_commands(disk: Disk) -> str:
    """What GRUB does: it starts the kernel that Debian's links name, with a console on screen and on the first serial port."""
    return f"set root=(hd0,msdos1)\nlinux /vmlinuz root=UUID={disk.file_system} rw console=tty0 console=ttyS0,115200n8\ninitrd /initrd.img\nboot\n"


VAGRANTFILE = """\
Vagrant.configure("2") do |config|
  config.ssh.username = "vagrant"
  config.vm.provider :libvirt do |libvirt|
    libvirt.driver = "kvm"
    libvirt.disk_bus = "virtio"
    libvirt.memory = 2048
    libvirt.cpus = 2
  end
  config.vm.provider :virtualbox do |virtualbox|
    virtualbox.memory = 2048
    virtualbox.cpus = 2
    virtualbox.default_nic_type = "virtio"
    virtualbox.check_guest_additions = false
    virtualbox.functional_vboxsf = false
  end
end
"""


def metadata(provider: str, disk: Disk) -> str:
    """metadata.json of a box: https://developer.hashicorp.com/vagrant/docs/boxes/format and vagrant-libvirt's own."""
    about: dict[str, object] = {"provider": provider, "architecture": "amd64"}
    if provider == "libvirt":
        about |= {"format": "qcow2", "virtual_size": disk.gibibytes}
    return json.dumps(about) + "\n"


def write_box(path: Path, texts: Mapping[str, str], files: Mapping[str, Path]) -> None:
    """Write a box: a tar archive of texts and files. Not compressed, for the disk in it is."""
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as box:
        for name, text in sorted(texts.items()):
            box.addfile(_member(name, len(text.encode())), io.BytesIO(text.encode()))
        for name, source in sorted(files.items()):
            with source.open("rb") as content:
                box.addfile(_member(name, source.stat().st_size), content)


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o644
    return member


def ovf(name: str, disk: Disk, file: str, file_size: int, memory: int = 2048, processors: int = 2) -> str:
    """The description of the machine for VirtualBox: https://www.dmtf.org/standards/ovf, with a disk and a card that the cloud kernel knows."""
    hardware = (
        _item(1, 3, f"{processors} processors", virtual_quantity=processors),
        _item(2, 4, f"{memory} MB of memory", virtual_quantity=memory, units="MegaBytes"),
        _item(3, 20, "SCSI controller", sub_type="VirtioSCSI", address=0),
        _item(4, 17, "Disk", parent=3, address_on_parent=0, host_resource="/disk/vmdisk1"),
        _item(5, 10, "Network card", sub_type="virtio", connection="NAT", automatic=True),
    )
    return f"""<?xml version="1.0"?>
<Envelope ovf:version="1.0" xml:lang="en-US" xmlns="http://schemas.dmtf.org/ovf/envelope/1"
    xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1" xmlns:vbox="http://www.virtualbox.org/ovf/machine"
    xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData"
    xmlns:vssd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData">
  <References>
    <File ovf:id="file1" ovf:href="{escape(file)}" ovf:size="{file_size}"/>
  </References>
  <DiskSection>
    <Info>The disk</Info>
    <Disk ovf:diskId="vmdisk1" ovf:fileRef="file1" ovf:capacity="{disk.gibibytes * GIBIBYTE}"
        ovf:format="http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"/>
  </DiskSection>
  <NetworkSection>
    <Info>The networks</Info>
    <Network ovf:name="NAT">
      <Description>A way out, and forwarded ports</Description>
    </Network>
  </NetworkSection>
  <VirtualSystem ovf:id="{escape(name)}">
    <Info>The machine</Info>
    <OperatingSystemSection ovf:id="96">
      <Info>The system</Info>
      <Description>Debian_64</Description>
      <vbox:OSType ovf:required="false">Debian_64</vbox:OSType>
    </OperatingSystemSection>
    <VirtualHardwareSection>
      <Info>What it is made of</Info>
      <System>
        <vssd:ElementName>Virtual Hardware Family</vssd:ElementName>
        <vssd:InstanceID>0</vssd:InstanceID>
        <vssd:VirtualSystemIdentifier>{escape(name)}</vssd:VirtualSystemIdentifier>
        <vssd:VirtualSystemType>virtualbox-2.2</vssd:VirtualSystemType>
      </System>
{"".join(hardware)}    </VirtualHardwareSection>
  </VirtualSystem>
</Envelope>
"""


def _item(number: int, kind: int, caption: str, **more: object) -> str:
    """An item of the hardware; its elements stand in the order of their names, as the schema wants."""
    names = {
        "address": "Address",
        "address_on_parent": "AddressOnParent",
        "automatic": "AutomaticAllocation",
        "connection": "Connection",
        "host_resource": "HostResource",
        "parent": "Parent",
        "sub_type": "ResourceSubType",
        "units": "AllocationUnits",
        "virtual_quantity": "VirtualQuantity",
    }
    values = {"Caption": caption, "ElementName": caption, "InstanceID": number, "ResourceType": kind}
    values |= {names[name]: str(value).lower() if isinstance(value, bool) else value for name, value in more.items()}
    lines = "".join(f"        <rasd:{name}>{escape(str(value))}</rasd:{name}>\n" for name, value in sorted(values.items()))
    return f"      <Item>\n{lines}      </Item>\n"
