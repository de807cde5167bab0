"""The manifest of an image: all that two images must have in common, in one canonical form.

It is read from the image's file system, at rest. Only ``ports`` need a machine that runs: what it listens on before it knows
its environment, as ``ss`` says; None where no machine of the image was started.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import struct
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from .._packages.control import paragraphs
from . import root as root_module
from . import units
from .root import Entry, Root

PROVENANCE = "/usr/lib/twine-machine/provenance.json"
_INFO = "/var/lib/dpkg/info"
# Linux's capabilities by number: https://github.com/torvalds/linux/blob/master/include/uapi/linux/capability.h
_CAPABILITIES = (
    "chown", "dac_override", "dac_read_search", "fowner", "fsetid", "kill", "setgid", "setuid", "setpcap", "linux_immutable", "net_bind_service",
    "net_broadcast", "net_admin", "net_raw", "ipc_lock", "ipc_owner", "sys_module", "sys_rawio", "sys_chroot", "sys_ptrace", "sys_pacct",
    "sys_admin", "sys_boot", "sys_nice", "sys_resource", "sys_time", "sys_tty_config", "mknod", "lease", "audit_write", "audit_control", "setfcap",
    "mac_override", "mac_admin", "syslog", "wake_alarm", "block_suspend", "audit_read", "perfmon", "bpf", "checkpoint_restore",
)
Manifest = dict[str, Any]


class ManifestError(Exception):
    """A manifest could not be had; the message says which, why, and what to do."""


@dataclass(frozen=True)
class Build:
    """Which image a manifest is of: ``id`` is one converge's, ``base`` what it began from, ``kind`` such as docker, ami or box.

    A box that was made of a baked file system has that bake's id.
    """

    role: str
    kind: str
    id: str
    bake_key: str
    base: str

    def __str__(self) -> str:
        return f"{self.role} {self.kind} {self.id[:17]} (bake key {self.bake_key}, base {self.base.removeprefix('sha256:')[:12]})"


def collector() -> str:
    """A digest of the code that makes manifests: only those of one collector can be compared."""
    # Ansible runs modules from a zip, so it is not a file that is asked for.
    modules = (root_module, units, sys.modules[__name__])
    return hashlib.sha256("".join(map(inspect.getsource, modules)).encode()).hexdigest()[:12]


def manifest_of(root: Root, build: Build, digests: Mapping[str, Mapping[str, str]], ports: list[str] | None) -> Manifest:
    """The manifest of ``root``. ``digests`` are those that a snapshot names (package → version, sha256)."""
    names = {"owner": _by_number(root, "/etc/passwd"), "group": _by_number(root, "/etc/group")}
    origins = _origins(root)
    return {
        "build": {**asdict(build), "collector": collector()},
        "packages": _packages(root, digests),
        "files": {path: _file(entry, names, origins.get(path)) for path, entry in root.entries.items()},
        "units": units.states(root),
        "users": _users(root),
        "groups": _groups(root),
        "sysctls": _sysctls(root),
        "environments": units.environments(root),
        "ports": ports,
    }


def text_of(manifest: Manifest) -> str:
    """The manifest as canonical JSON: sorted, one line for each thing in it, so that a reader's ``diff`` is of use."""
    sections = []
    for name in sorted(manifest):
        value = manifest[name]
        if isinstance(value, dict) and name != "build":
            lines = ",\n".join(f"{_json(key)}: {_json(value[key])}" for key in sorted(value))
            sections.append(f"{_json(name)}: {{\n{lines}\n}}")
        else:
            sections.append(f"{_json(name)}: {_json(value)}")
    return "{\n" + ",\n".join(sections) + "\n}\n"


def load(path: Path) -> Manifest:
    """The manifest in a file.

    :raises ManifestError: if it is not there or is none.
    """
    try:
        found: Manifest = json.loads(path.read_text())
    except FileNotFoundError:
        raise ManifestError(f"Failed to read the manifest {path}: it is not there. Bake the image, which writes it.") from None
    except ValueError as error:
        raise ManifestError(f"Failed to read the manifest {path}: {error}. Remove it and make it again.") from None
    if not isinstance(found, dict) or "build" not in found or "files" not in found:
        raise ManifestError(f"Failed to read the manifest {path}: it says nothing of a build and its files. Remove it and make it again.")
    return found


def build_of(manifest: Manifest) -> Build:
    """Which image the manifest is of."""
    return Build(**{name: str(value) for name, value in manifest["build"].items() if name != "collector"})


def listening(output: str) -> list[str]:
    """Sorted ``protocol address:port program`` of what ``ss -H -l -n -t -u -p`` printed."""
    found = set()
    for line in output.splitlines():
        words = line.split()
        if len(words) >= 5 and words[1] in ("LISTEN", "UNCONN"):
            program = line.split('(("', 1)[1].split('"', 1)[0] if '(("' in line else "unknown"
            found.add(f"{words[0]} {words[4]} {program}")
    return sorted(found)


def packages_like(manifest: Manifest, package: str, version: str) -> list[tuple[str, str]]:
    """Name and version of the packages in the image that match two patterns; what was removed but for its configuration is not in it."""
    return [
        (name, found["version"])
        for name, found in manifest["packages"].items()
        if fnmatchcase(name, package) and fnmatchcase(found["version"], version) and found["state"] == "installed"
    ]


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def _packages(root: Root, digests: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for paragraph in paragraphs(root.text("/var/lib/dpkg/status")):
        name, state = paragraph.get("Package", ""), paragraph.get("Status", "")
        package = {"version": paragraph.get("Version", ""), "architecture": paragraph.get("Architecture", ""), "state": state.rpartition(" ")[2]}
        named = digests.get(name, {})
        if named.get("version") == package["version"] and "sha256" in named:
            package["sha256"] = named["sha256"]
        # Two architectures of one package can stand side by side.
        found[f"{name}:{package['architecture']}" if name in found else name] = package
    return found


def _file(entry: Entry, names: Mapping[str, Mapping[int, str]], origin: str | None) -> dict[str, Any]:
    found: dict[str, Any] = {
        "type": entry.kind,
        "mode": f"{entry.mode:04o}",
        "owner": names["owner"].get(entry.owner, str(entry.owner)),
        "group": names["group"].get(entry.group, str(entry.group)),
    }
    if entry.sha256:
        found["sha256"] = entry.sha256
    if entry.target:
        found["target"] = entry.target
    if capabilities := _capabilities(entry.xattrs.get("security.capability", b"")):
        found["capabilities"] = capabilities
    if others := {name: value.hex() for name, value in entry.xattrs.items() if name != "security.capability"}:
        found["xattrs"] = others
    if origin:
        found["origin"] = origin
    return found


def _capabilities(value: bytes) -> str:
    """As ``getcap`` prints them: ``cap_net_raw=ep``; capabilities(7), "File capabilities"."""
    if len(value) < 20:
        return value.hex()
    magic, low_permitted, low_inherited, high_permitted, high_inherited = struct.unpack("<IIIII", value[:20])
    masks = {"i": low_inherited | high_inherited << 32, "p": low_permitted | high_permitted << 32}
    groups: dict[str, list[str]] = {}
    for number in range(64):
        flags = "".join(flag for flag, mask in masks.items() if mask >> number & 1)
        if flags:
            name = f"cap_{_CAPABILITIES[number]}" if number < len(_CAPABILITIES) else f"cap_{number}"
            groups.setdefault(f"{'e' if magic & 1 else ''}{flags}", []).append(name)
    return " ".join(f"{','.join(names)}={flags}" for flags, names in groups.items())


def _origins(root: Root) -> dict[str, str]:
    """Path → ``package NAME`` that brought it, or ``role NAME`` that wrote it, which is the last word."""
    found: dict[str, str] = {}
    folders: dict[str, str] = {}
    for name in root.names(_INFO):
        if name.endswith(".list"):
            package = name.removesuffix(".list").partition(":")[0]
            for path in root.contents.get(f"{_INFO}/{name}", b"").decode(errors="replace").splitlines():
                folder, _slash, base = path.rpartition("/")
                # Packages name /lib and /bin, which are links into /usr.
                real = folders.setdefault(folder, root.real(folder).rstrip("/"))
                found[f"{real}/{base}"] = f"package {package}"
    return found | {path: f"role {role}" for path, role in _roles(root.text(PROVENANCE)).items()}


def _roles(text: str) -> dict[str, str]:
    """Path → role, of the record that ``whence`` answers from; it is only a hint, so a machine may lack it."""
    try:
        return {str(path): str(written["role"]) for path, written in json.loads(text)["files"].items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


def _rows(root: Root, path: str, width: int) -> list[list[str]]:
    """The lines of a table such as /etc/passwd, each with ``width`` fields at least."""
    return [row for line in root.text(path).splitlines() if len(row := line.split(":")) >= width]


def _by_number(root: Root, path: str) -> dict[int, str]:
    found: dict[int, str] = {}
    for row in _rows(root, path, 3):
        found.setdefault(int(row[2]) if row[2].isdecimal() else -1, row[0])
    return found


def _users(root: Root) -> dict[str, dict[str, Any]]:
    # Whether one can log in by password is compared; the digest of a password is written nowhere.
    passwords = {row[0]: "none" if not row[1] else "locked" if row[1][0] in "!*" else "set" for row in _rows(root, "/etc/shadow", 2)}
    members = {row[0]: row[3].split(",") for row in _rows(root, "/etc/group", 4)}
    return {
        row[0]: {
            "uid": row[2],
            "gid": row[3],
            "home": row[5],
            "shell": row[6],
            "password": passwords.get(row[0], "none"),
            "groups": sorted(group for group, names in members.items() if row[0] in names),
        }
        for row in _rows(root, "/etc/passwd", 7)
    }


def _groups(root: Root) -> dict[str, dict[str, Any]]:
    return {row[0]: {"gid": row[2], "members": sorted(filter(None, row[3].split(",")))} for row in _rows(root, "/etc/group", 4)}


def _sysctls(root: Root) -> dict[str, str]:
    """What will be set at boot, as sysctl.d(5) merges it: files by name, the first folder's wins, a later line wins."""
    files: dict[str, str] = {}
    for folder in ("/etc/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d"):
        for name in root.names(folder):
            if name.endswith(".conf"):
                files.setdefault(name, f"{folder}/{name}")
    found = {}
    for name in sorted(files):
        for line in root.text(files[name]).splitlines():
            key, equals, value = line.strip().partition("=")
            if equals and not key.startswith(("#", ";")):
                found[_dotted(key.strip().removeprefix("-").strip())] = " ".join(value.split())
    return found


def _dotted(key: str) -> str:
    """``net/ipv4/conf/eth0.1`` is ``net.ipv4.conf.eth0/1``: the first separator decides which is which."""
    slash, dot = key.find("/"), key.find(".")
    return key.translate(str.maketrans("./", "/.")) if slash >= 0 and (dot < 0 or slash < dot) else key
