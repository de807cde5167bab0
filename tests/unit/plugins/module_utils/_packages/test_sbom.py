"""The bill of materials is valid CycloneDX, equal wherever it is made, and names what is inside."""

from __future__ import annotations

import dataclasses
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from ansible_collections.twine.platform.plugins.module_utils._packages import definition, sbom

from .conftest import write_deb

SHA = "0" * 64
FIELDS = {"Package": "greeting", "Version": "1.0-1~deb12", "Architecture": "all", "Depends": "python3 (>= 3.11), adduser | other"}


def jar(**entries: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return packed.getvalue()


POM = {"META-INF/maven/org.example/server/pom.properties": "#made\ngroupId=org.example\nartifactId=server\nversion=1.2\n"}
METADATA = b"Metadata-Version: 2.1\nName: elastic_transport\nVersion: 8.19.0\n\nText"
FILES = {
    "usr/share/greeting/server-core-1.2.jar": jar(**POM),
    "usr/share/greeting/plain-3.0.1.jar": jar(),
    "usr/share/greeting/nameless.jar": jar(),
    "usr/lib/python3/dist-packages/elastic_transport-8.19.0.dist-info/METADATA": METADATA,
}


def bill(packages: Path, tmp_path: Path, source: definition.Source | None = None, epoch: int = 0) -> dict[str, Any]:
    package = definition.load_package(packages / "greeting", "deb12")
    package = dataclasses.replace(package, source=source or package.source)
    deb = write_deb(tmp_path / "greeting.deb", FIELDS, FILES)
    return sbom.bill_of_materials(package, deb, {"what it is called": SHA} if source else {}, epoch, "deb12")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (None, []),
        (definition.MavenSource("org.example:server:1.0:zip", SHA), ["pkg:maven/org.example/server@1.0?type=zip"]),
        (definition.PypiSource("Elastic-Client", "1.0", SHA), ["pkg:pypi/elastic-client@1.0"]),
        (definition.DebianSource("hello", "1:2.10-3+b1", "bookworm", SHA), ["pkg:deb/debian/hello@1%3A2.10-3%2Bb1?arch=source"]),
        (definition.ArchiveSource("https://example.org/server.tar.gz", SHA), [None]),
        (definition.GeneratedSource("build/keys/key.asc"), [None]),
    ],
)
def test_valid_whatever_the_source(packages: Path, tmp_path: Path, source: definition.Source | None, expected: list[str | None]) -> None:
    made = bill(packages, tmp_path, source)
    problem = JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(made))
    assert problem is None, problem
    ancestors = made["metadata"]["component"]["pedigree"]["ancestors"]
    assert [one.get("purl") for one in ancestors] == expected
    assert all(one["hashes"] == [{"alg": "SHA-256", "content": SHA}] for one in ancestors)


def test_the_validator_can_refuse(packages: Path, tmp_path: Path) -> None:
    made = bill(packages, tmp_path)
    made["components"][0]["type"] = "thing"
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(made)) is not None


def test_what_is_inside_and_beside(packages: Path, tmp_path: Path) -> None:
    made = bill(packages, tmp_path)
    told = [(one["name"], one.get("version"), one.get("purl")) for one in made["components"]]
    assert told == [
        ("server", "1.2", "pkg:maven/org.example/server@1.2"),
        ("plain", "3.0.1", None),
        ("nameless.jar", None, None),
        ("elastic_transport", "8.19.0", "pkg:pypi/elastic-transport@8.19.0"),
        ("adduser", None, None),
        ("python3", None, None),
    ]
    assert made["dependencies"][0]["dependsOn"] == [one["bom-ref"] for one in made["components"]]


def test_the_package_itself(packages: Path, tmp_path: Path) -> None:
    itself = bill(packages, tmp_path)["metadata"]["component"]
    assert itself["purl"] == "pkg:deb/twine.platform/greeting@1.0-1~deb12?arch=all&distro=deb12"
    assert itself["licenses"] == [{"expression": "GPL-3.0-or-later"}]


def test_equal_wherever_it_is_made(packages: Path, tmp_path: Path) -> None:
    one = bill(packages, tmp_path, epoch=1763974800)
    (tmp_path / "elsewhere").mkdir()
    assert bill(packages, tmp_path / "elsewhere", epoch=1763974800) == one
    assert one["metadata"]["timestamp"] == "2025-11-24T09:00:00+00:00"
