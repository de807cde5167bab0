"""`make box`: bakes the developer's box, makes a bootable disk of its file system without any privilege, and packs it for Vagrant.

`--provider virtualbox` packs it for VirtualBox, `--disk` stops at the disk. What is there of the same image is not made again.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from ansible_collections.twine.platform.plugins.module_utils._images import box
from tools import checkout, qemu, work

RECORDS = checkout.BUILD / "images"
FOLDER = RECORDS / "box"
DISK = FOLDER / "box.img"
PROVIDERS = ("libvirt", "virtualbox")
GIBIBYTES = 8
SCRIPT = Path(__file__).with_name("make_disk.sh")
CODE = (Path(__file__), SCRIPT, Path(str(box.__file__)))


def image() -> dict[str, Any]:
    """Have the box's image, and return its record."""
    playbook = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", str(checkout.ROOT / "inventories" / "local"), "playbooks/bake_box.yml"]
    if subprocess.run(playbook, cwd=checkout.ROOT, check=False).returncode:
        raise work.Failed("Failed to make the box: its image was not baked, see above. Mend that and run `make box` again.")
    record: dict[str, Any] = json.loads((RECORDS / "box.json").read_text())
    return record


def disk(record: dict[str, Any]) -> Path:
    """Have the disk of the box's image."""
    return disk_of(record["docker_image"], record["docker_image"], box.Disk(GIBIBYTES, record["docker_id"]), DISK)


def disk_of(image: str, tools: str, of: box.Disk, path: Path) -> Path:
    """Have a disk of an image's file system, as compressed qcow2. ``tools`` is an image that has mke2fs and GRUB."""
    key = work.digest(of.key, of.gibibytes, *CODE)
    if _made(path) == key:
        print(f"The disk of {image} is there.", flush=True)
        return path
    began = time.monotonic()
    qemu.ensure()
    parts = path.with_name(f"{path.stem}.parts")
    parts.mkdir(exist_ok=True)
    try:
        _fill(image, tools, of, parts)
        raw = parts / "disk.raw"
        with raw.open("r+b") as file:
            file.write(box.boot_loader((parts / "boot.img").read_bytes(), (parts / "core.img").read_bytes(), of))
        _convert(raw, path, "qcow2", "compression_type=zstd,compat=1.1", "-c")
    finally:
        shutil.rmtree(parts)
    _note(path, key)
    print(f"The disk of {image} was made in {time.monotonic() - began:.0f} s, {_mebibytes(path)} MiB.", flush=True)
    return path


def _fill(name: str, tools: str, of: box.Disk, parts: Path) -> None:
    """Make a raw disk with the image's file system in its partition: in a container, which has the programs for it."""
    (parts / "grub.cfg").write_text(box.grub_commands(of))
    label = ["--label", checkout.label(), "--label", "twine.role=disk"]
    container = _docker("make a container of the image", ["create", *label, "--entrypoint=/bin/true", name])
    start, kibibytes = box.FIRST_SECTOR * box.SECTOR, of.partition_sectors * box.SECTOR // 1024
    command = ["docker", "run", "--rm", "--interactive", "--network=none", *label, f"--volume={parts}:/box", f"--volume={SCRIPT}:/make_disk.sh:ro"]
    command += ["--entrypoint=/bin/sh", tools, "/make_disk.sh", str(of.file_system), str(start), str(kibibytes)]
    try:
        with subprocess.Popen(["docker", "export", container], stdout=subprocess.PIPE) as exported:
            made = subprocess.run(command, stdin=exported.stdout, capture_output=True, text=True, check=False)
    finally:
        work.attempt(["docker", "rm", "--force", container])
    if exported.returncode or made.returncode:
        reason = (made.stderr.strip().splitlines() or ["the export of the image broke off"])[-1]
        raise work.Failed(f"Failed to make the disk of {name}: {reason}. See that the disk has 10 GiB of room and try again.")


def _convert(source: Path, target: Path, kind: str, options: str, *more: str) -> None:
    draft = target.with_name(f".{target.name}.new")
    source_kind = "raw" if source.suffix == ".raw" else "qcow2"
    command: work.Words = ["qemu-img", "convert", "-f", source_kind, "-O", kind, "-o", options, "-m", "8", *more, source, draft]
    try:
        work.run(f"make {target.name}", command, log="box", remedy="See that the disk has 10 GiB of room and try again.")
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


def pack(record: dict[str, Any], provider: str) -> Path:
    """Have the box of one provider."""
    source, of = disk(record), box.Disk(GIBIBYTES, record["docker_id"])
    path = FOLDER / f"{provider}.box"
    key = work.digest(_made(source), provider)
    if _made(path) != key:
        texts = {"metadata.json": box.metadata(provider, of), "Vagrantfile": box.VAGRANTFILE}
        draft = path.with_name(f".{path.name}.new")
        try:
            if provider == "virtualbox":
                vmdk = FOLDER / "box.vmdk"
                _convert(source, vmdk, "vmdk", "subformat=streamOptimized")
                texts["box.ovf"] = box.ovf("twine-box", of, vmdk.name, vmdk.stat().st_size)
                box.write_box(draft, texts, {vmdk.name: vmdk})
                vmdk.unlink()
            else:
                box.write_box(draft, texts, {"box.img": source})
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
        _note(path, key)
    print(f"{path.relative_to(checkout.ROOT)} ({_mebibytes(path)} MiB) is of bake key {record['bake_key']}: vagrant up", flush=True)
    return path


def _docker(what: str, words: list[str]) -> str:
    answer = work.attempt(["docker", *words], timeout=120)
    if answer.returncode:
        raise work.Failed(f"Failed to {what}: {(answer.stderr.strip().splitlines() or ['no answer'])[-1]}. Check `docker info`.")
    return answer.stdout.strip()


def _mebibytes(path: Path) -> int:
    return path.stat().st_size // 2**20


def _note(path: Path, key: str) -> None:
    about = {"key": key, "file": work.footprint(path)}
    work.replace_text(path.with_name(f"{path.name}.json"), json.dumps(about) + "\n")


def _made(path: Path) -> str:
    """The key that a file was made by; empty if it is not there as it was made."""
    try:
        about = json.loads(path.with_name(f"{path.name}.json").read_text())
    except (OSError, ValueError):
        return ""
    return str(about["key"]) if about["file"] == work.footprint(path) else ""


def main(arguments: list[str]) -> int:
    """Make a box; who comes second waits, and finds it."""
    parser = argparse.ArgumentParser(prog="python -m tools.box", description=__doc__)
    parser.add_argument("--provider", choices=PROVIDERS, default=PROVIDERS[0])
    parser.add_argument("--disk", action="store_true")
    options = parser.parse_args(arguments)
    FOLDER.mkdir(parents=True, exist_ok=True)
    try:
        with (FOLDER / "lock").open("a+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            record = image()
            if options.disk:
                disk(record)
            else:
                pack(record, options.provider)
    except (work.Failed, box.BoxError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
