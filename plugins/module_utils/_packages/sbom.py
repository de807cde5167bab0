"""The bill of materials of a deb, in CycloneDX 1.6: what it was made from, what is inside, what it runs with.

Schema: https://cyclonedx.org/docs/1.6/json/ · package URLs: https://github.com/package-url/purl-spec
"""

from __future__ import annotations

import datetime
import hashlib
import io
import re
import uuid
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

from . import deb as debs
from .control import names_in
from .definition import ArchiveSource, DebianSource, MavenSource, Package, PypiSource
from .sources import coordinates
from .tree import sha256_of

_VENDOR = "twine.platform"
_JAR = re.compile(r"(?P<name>.+?)-(?P<version>\d[\w.+-]*)\.jar")


def bill_of_materials(package: Package, deb: Path, sources: Mapping[str, str], epoch: int, distribution: str) -> dict[str, Any]:
    """The bill of `deb`, equal wherever it is made: its time is `epoch` (seconds since 1970), its serial number follows from the deb.

    `sources` are names and SHA-256 digests of what the package was built from.
    """
    fields = debs.control_fields(deb)
    digest = sha256_of(deb)
    itself = _url("deb", f"{_VENDOR}/{fields['Package']}", fields["Version"], {"arch": fields["Architecture"], "distro": distribution})
    needed = sorted(names_in(debs.relations(fields)))
    parts = _unlike([*_inside(deb), *[_needed(name) for name in needed]])
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'sha256:{digest}')}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.datetime.fromtimestamp(epoch, datetime.UTC).isoformat(),
            "component": {
                "type": "application",
                "bom-ref": itself,
                "name": fields["Package"],
                "version": fields["Version"],
                "description": package.summary,
                "licenses": [{"expression": package.licence}],
                "hashes": _hashes(digest),
                "purl": itself,
                "pedigree": {"ancestors": [_source(package, name, value) for name, value in sorted(sources.items())]},
            },
        },
        "components": parts,
        "dependencies": [{"ref": itself, "dependsOn": [part["bom-ref"] for part in parts]}],
    }


def _source(package: Package, name: str, digest: str) -> dict[str, Any]:
    source = package.source
    component: dict[str, Any] = {"type": "library", "name": name, "hashes": _hashes(digest)}
    if isinstance(source, MavenSource):
        group, artifact, version, *kind = source.coordinates.split(":")
        component.update(group=group, name=artifact, version=version)
        component["purl"] = _url("maven", f"{group}/{artifact}", version, {"type": kind[0]} if kind else {})
    elif isinstance(source, PypiSource):
        component.update(name=source.project, version=source.version, purl=_url("pypi", source.project.lower(), source.version, {}))
    elif isinstance(source, DebianSource):
        component.update(name=source.package, version=source.version)
        component["purl"] = _url("deb", f"debian/{source.package}", source.version, {"arch": "source"})
    elif isinstance(source, ArchiveSource):
        component["externalReferences"] = [{"type": "distribution", "url": coordinates(source)}]
    return component


def _inside(deb: Path) -> Iterable[dict[str, Any]]:
    """The libraries that the deb brings along: Java's archives and Python's distributions."""
    for path, content in debs.files(deb):
        name = PurePosixPath(path).name
        if name.endswith(".jar"):
            yield _jar(path, content)
        elif path.endswith(".dist-info/METADATA") or name == "PKG-INFO" or name.endswith(".egg-info"):
            fields = dict(line.split(": ", 1) for line in content.decode(errors="replace").split("\n\n")[0].splitlines() if ": " in line)
            if "Name" in fields and "Version" in fields:
                url = _url("pypi", fields["Name"].lower().replace("_", "-"), fields["Version"], {})
                yield {"type": "library", "bom-ref": url, "name": fields["Name"], "version": fields["Version"], "purl": url}


def _jar(path: str, content: bytes) -> dict[str, Any]:
    name = PurePosixPath(path).name
    named = _JAR.fullmatch(name)
    component: dict[str, Any] = {"type": "library", "bom-ref": path, "name": named["name"] if named else name}
    component["hashes"] = _hashes(hashlib.sha256(content).hexdigest())
    if named:
        component["version"] = named["version"]
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        told = [entry for entry in archive.namelist() if re.fullmatch(r"META-INF/maven/[^/]+/[^/]+/pom\.properties", entry)]
        if len(told) == 1:
            fields = dict(line.split("=", 1) for line in archive.read(told[0]).decode(errors="replace").splitlines() if "=" in line)
            component.update(group=fields["groupId"], name=fields["artifactId"], version=fields["version"])
            component["purl"] = _url("maven", f"{fields['groupId']}/{fields['artifactId']}", fields["version"], {})
    return component


def _needed(name: str) -> dict[str, Any]:
    """A package that it runs with. Which version that is, and whose, the machine's own snapshot says."""
    return {"type": "library", "bom-ref": f"needed:{name}", "name": name, "scope": "required"}


def _unlike(components: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The components, each reference once."""
    return list({component["bom-ref"]: component for component in components}.values())


def _hashes(sha256: str) -> list[dict[str, str]]:
    return [{"alg": "SHA-256", "content": sha256}]


def _url(kind: str, path: str, version: str, qualifiers: Mapping[str, str]) -> str:
    told = "&".join(f"{key}={quote(value)}" for key, value in sorted(qualifiers.items()))
    return f"pkg:{kind}/{quote(path)}@{quote(version)}{f'?{told}' if told else ''}"
