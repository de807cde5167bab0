"""A small machine's root on a real file system, for tests to change."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Mapping
from pathlib import Path

from ansible_collections.twine.platform.plugins.module_utils._images.manifest import Build, Manifest, manifest_of
from ansible_collections.twine.platform.plugins.module_utils._images.root import read

Xattrs = Mapping[str, Mapping[str, bytes]]
Owners = Mapping[str, tuple[int, int]]
STATUS = """\
Package: nginx
Status: install ok installed
Architecture: amd64
Version: 1.22.1-9
Description: a web server
 that serves

Package: libssl3
Status: install ok installed
Architecture: amd64
Version: 3.0.15-1
"""
FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/bash\nweb:x:33:33:web:/var/www:/usr/sbin/nologin\n",
    "etc/shadow": "root:*:19000:0:99999:7:::\nweb:!:19000:0:99999:7:::\n",
    "etc/group": "root:x:0:\nweb:x:33:\nadm:x:4:root\n",
    "etc/nginx/nginx.conf": "worker_processes auto;\n",
    "etc/sysctl.d/60-machine.conf": "# ours\nnet.core.somaxconn = 4096\n-net/ipv4/conf/eth0.1/arp_filter = 1\n",
    "usr/lib/sysctl.d/50-default.conf": "net.core.somaxconn=128\nkernel.pid_max = 4194304\n",
    "usr/lib/systemd/system/nginx.service": "[Service]\nEnvironment=WORKERS=2 'GREETING=good day'\n[Install]\nWantedBy=multi-user.target\n",
    "etc/systemd/system/nginx.service.d/ours.conf": "[Service]\nEnvironmentFile=-/etc/default/nginx\nEnvironmentFile=-/run/machine.env\n",
    "etc/default/nginx": "# options\nOPTIONS=\"-g daemon\"\n",
    "usr/lib/systemd/system/clock.service": "[Install]\nWantedBy=multi-user.target\n",
    "usr/lib/systemd/system/oneshot.service": "[Service]\nType=oneshot\n",
    "usr/bin/ping": "ping\n",
    "usr/lib/libssl.so.3": "ssl\n",
    "var/lib/dpkg/status": STATUS,
    "var/lib/dpkg/info/libssl3:amd64.list": "/.\n/lib\n/lib/libssl.so.3\n",
    "usr/lib/twine-machine/provenance.json": '{"files": {"/etc/nginx/nginx.conf": {"role": "nginx", "task": "Configure"}}}',
}
LINKS = {
    "lib": "usr/lib",
    "etc/systemd/system/multi-user.target.wants/nginx.service": "/lib/systemd/system/nginx.service",
    "etc/systemd/system/masked.service": "/dev/null",
    "usr/bin/view": "less",
}


def make(root: Path) -> Path:
    """Make the machine's root at `root`."""
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
        (root / name).chmod(0o644)
    for name, target in LINKS.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).symlink_to(target)
    os.mkfifo(root / "usr/lib/pipe", 0o600)
    return root


def build(identity: str, base: str = "b1") -> Build:
    return Build(role="web", kind="docker", id=identity, bake_key="k1", base=base)


def manifest(source: Path, identity: str = "one", ports: list[str] | None = None) -> Manifest:
    return manifest_of(read(source), build(identity), {}, ports)


def packed(root: Path, archive: Path, *, xattrs: Xattrs | None = None, owners: Owners | None = None) -> Path:
    """A tar of the machine as `docker export` makes it; extended attributes lie in its pax headers. All is root's but for `owners`."""
    with tarfile.open(archive, "w", format=tarfile.PAX_FORMAT) as tar:
        for path in sorted([root, *root.rglob("*")]):
            name = path.relative_to(root).as_posix()
            member = tar.gettarinfo(str(path), name)
            member.uid, member.gid = (owners or {}).get(name, (0, 0))
            for attribute, value in (xattrs or {}).get(name, {}).items():
                member.pax_headers = {**member.pax_headers, f"SCHILY.xattr.{attribute}": value.decode("utf-8", "surrogateescape")}
            tar.addfile(member, io.BytesIO(path.read_bytes()) if member.isreg() else None)
    return archive
