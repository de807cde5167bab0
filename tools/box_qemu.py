"""`make box-qemu`: bakes an image with Packer's qemu builder, in a virtual machine of its own, and records its manifest for `make parity`.

The machine begins with Debian's generic cloud image (`--image` and `--checksum`: an address and sha512:<digest>), or with a disk that is made
here of a base image, a kernel and sshd. Without the processor's own virtualization it takes ten minutes and more.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ansible_collections.twine.platform.plugins.module_utils._images import box
from tools import base_image, checkout, parity, qemu, work
from tools import box as boxes
from tools.parity import ESTATE, RECORDS

SCRIPTS = Path(sys.executable).parent
FOLDER = RECORDS / "cloud"
GIBIBYTES = 3
READER = Path(__file__).with_name("read_disk.py")
# What a virtual machine begins with, beside the base image; the roles bring all else.
PACKAGES = ("initramfs-tools", "linux-image-cloud-amd64", "openssh-server")
GRUB = ("grub-common", "grub-pc-bin")


def cloud_disk() -> tuple[Path, str]:
    """Have a disk to begin with, made here; return it and the id of the image that it was made of."""
    base = base_image.second()
    recipe = f"""FROM {base}
LABEL {checkout.label().replace("=", '="')}" twine.role="cloud"
RUN mkdir -p /etc/initramfs-tools/conf.d && printf 'MODULES=list\\nCOMPRESS=gzip\\nRESUME=none\\n' > /etc/initramfs-tools/conf.d/cloud.conf \\
 && printf 'ext4\\nvirtio_blk\\nvirtio_pci\\n' > /etc/initramfs-tools/modules \\
 && printf '[Match]\\nName=en* eth*\\n[Network]\\nDHCP=ipv4\\n' > /etc/systemd/network/80-cloud.network
RUN apt-get update && apt-get install -y --no-install-recommends {" ".join(PACKAGES)} && systemctl enable systemd-networkd ssh
"""
    name = f"{checkout.prefix()}/cloud"
    remedy = "Check that containers reach Debian's archive."
    for tag, text in (("disk", recipe), ("tools", f"FROM {name}:disk\nRUN apt-get install -y --no-install-recommends {' '.join(GRUB)}\n")):
        command: work.Words = ["docker", "build", "--force-rm", "--quiet", "--tag", f"{name}:{tag}", "-"]
        work.run("make the machine to begin with", command, log="cloud", stdin=text, remedy=remedy)
    made_of = base_image.identity(f"{name}:disk")
    return boxes.disk_of(f"{name}:disk", f"{name}:tools", box.Disk(GIBIBYTES, made_of), FOLDER / "cloud.qcow2"), base_image.identity(base)


def build(role: str, image: str, checksum: str, record: dict[str, Any], folder: Path) -> Path:
    """Run Packer; return the disk that it made."""
    key = folder / "key"
    work.run(
        "make the build's key", ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", key], log="box-qemu", remedy="Install ssh-keygen."
    )
    relay = f"{sys.executable} {Path(__file__).with_name('relay.py')} {checkout.ports()['repository']}"
    variables = {
        "bake_key": record["bake_key"],
        "snapshot": record["snapshot"],
        "inventory_folder": str(ESTATE),
        "ansible_playbook": str(SCRIPTS / "ansible-playbook"),
        "qemu_image_url": image,
        "qemu_image_checksum": checksum,
        "qemu_accelerator": "kvm" if qemu.virtualizes() else "tcg",
        "qemu_key_file": str(key),
        "qemu_public_key": key.with_suffix(".pub").read_text().strip(),
        "qemu_repository_program": relay,
    }
    command: work.Words = ["packer", "build", "-color=false", "-force", "-only=image.qemu.machine", f"-var-file=packer/images/{role}.pkrvars.hcl"]
    command += [f"-var={name}={value}" for name, value in variables.items()] + ["packer"]
    env = {
        "PATH": f"{checkout.BINARIES}{os.pathsep}{os.environ['PATH']}",
        "PACKER_PLUGIN_PATH": str(checkout.PLUGINS),
        "CHECKPOINT_DISABLE": "1",
        "ANSIBLE_CONFIG": str(checkout.ROOT / "ansible.cfg"),
    }
    remedy = "Its log is build/tools/logs/box-qemu.log, the machine's own build/images/*.console."
    work.run(f"bake {role} in a virtual machine", command, log="box-qemu", cwd=checkout.ROOT, env=env, remedy=remedy)
    return RECORDS / f"qemu-{role}-{record['bake_key']}" / f"{role}-{record['bake_key']}.qcow2"


def read(disk: Path, target: Path) -> None:
    """Write the file system of a disk as a tar, without mounting it."""
    raw = target.with_suffix(".raw")
    try:
        work.run("unpack the disk", ["qemu-img", "convert", "-O", "raw", disk, raw], log="box-qemu", remedy="See that the disk has 10 GiB of room.")
        command = [
            "docker",
            "run",
            "--rm",
            "--network=none",
            f"--label={checkout.label()}",
            f"--volume={raw.parent}:/disk:ro",
            "--entrypoint=python3",
        ]
        command += [f"--volume={READER}:/read_disk.py:ro", work.pins()["base"]["image"], "/read_disk.py", f"/disk/{raw.name}", "/root/disk"]
        with target.open("wb") as file:
            done = subprocess.run(command, stdout=file, stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            raise work.Failed(f"Failed to read {disk.name}: {(done.stderr.strip().splitlines() or ['no answer'])[-1]}. Try again.")
    finally:
        raw.unlink(missing_ok=True)


def note(name: str, disk: Path | None, **about: Any) -> None:
    """Write the record of a machine: of what lies on its disk, or in Docker."""
    if disk:
        # It stays: the manifest is made anew from it when the code that makes manifests moves.
        tar = RECORDS / f"{name}.tar"
        read(disk, tar)
        with tar.open("rb") as file:
            about |= {"id": hashlib.file_digest(file, "sha256").hexdigest(), "path": str(tar)}
    work.replace_text(RECORDS / f"{name}.json", json.dumps(about, indent=1) + "\n")


def run(role: str, image: str, checksum: str) -> None:
    """Bake, read, record, compare, and say how long it took."""
    qemu.ensure()
    began = time.monotonic()
    if parity.play("bake_image", images=[role]):
        raise work.Failed(f"Failed to bake {role} in Docker first: see above. Mend that and try again.")
    record: dict[str, Any] = json.loads((RECORDS / f"{role}.json").read_text())
    base = checksum.removeprefix("sha512:")
    common = {"role": role, "bake_key": record["bake_key"]}
    own = not image
    if own:
        disk, base = cloud_disk()
        with disk.open("rb") as file:
            image, checksum = str(disk), f"sha512:{hashlib.file_digest(file, 'sha512').hexdigest()}"
        note("qemu.base", disk, kind="qemu.base", inputs={"base image": base}, **common)
        first = base_image.identity(work.pins()["base"]["image"])
        note("docker.base", None, kind="docker.base", docker_id=first, inputs={"base image": first}, **common)
    with tempfile.TemporaryDirectory() as folder:
        disk = build(role, image, checksum, record, Path(folder))
    minutes = (time.monotonic() - began) / 60
    about: dict[str, Any] = {"inputs": {"base image": base}, "began": ["docker.base", "qemu.base"] if own else []}
    about |= {"built_at": time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime()), "minutes": round(minutes, 1)}
    note(f"{role}.box", disk, kind="box", **common, **about)
    print(f"{role} of bake key {record['bake_key']} was baked in a virtual machine in {minutes:.0f} min.", flush=True)
    if parity.prove_virtual(role):
        raise work.Failed("Failed to find the images equal: see above. Mend the role, or say in the allow-list why it must differ.")


def main(arguments: Sequence[str]) -> int:
    """Bake in a virtual machine."""
    parser = argparse.ArgumentParser(prog="python -m tools.box_qemu", description=__doc__)
    parser.add_argument("role", nargs="?", default="twine")
    parser.add_argument("--image", default="")
    parser.add_argument("--checksum", default="")
    options = parser.parse_args(arguments)
    if bool(options.image) != bool(options.checksum):
        parser.error("--image and --checksum belong together")
    FOLDER.mkdir(parents=True, exist_ok=True)
    try:
        run(options.role, options.image, options.checksum)
    except (work.Failed, box.BoxError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
