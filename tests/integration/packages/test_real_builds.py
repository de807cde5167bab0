"""Packages are built, refused and compared by the real builder: Docker, dpkg-buildpackage, lintian, apt."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.twine.platform.plugins.module_utils._packages import deb
from ansible_collections.twine.platform.plugins.module_utils._packages.errors import PackageError
from ansible_collections.twine.platform.plugins.module_utils._packages.runner import ModuleRunner
from ansible_collections.twine.platform.plugins.modules import deb_build, deb_reproduction
from tools import checkout as this_checkout

from .conftest import CHANGELOG, Checkout

NETBASE = """---
name: netbase
version: "6.4"
summary: Names of the network's services and protocols
licence: GPL-2.0-only
architecture: all
source:
  kind: debian
  package: netbase
  version: "6.4"
  suite: bookworm
  sha256: {sha256}
build_depends: []
depends: []
smoke_test:
  - grep --quiet '^http' /etc/services
"""
NETBASE_CONTROL = """Source: netbase
Section: admin
Priority: optional
Maintainer: A Person <a@example.org>
Build-Depends: debhelper-compat (= 13)
Standards-Version: 4.6.2
Rules-Requires-Root: no

Package: netbase
Architecture: all
Depends: ${misc:Depends}
Description: names of the network's services and protocols
 Debian's files, built from Debian's source.
"""
NETBASE_DSC = "2c3f1dcb1d1dd7c8d2c0a1d1b2a56f2fa4f6d0a2b4f3b4f5c7c8a9b0d1e2f3a4"


def params(checkout: Checkout, spec: dict[str, dict[str, Any]], **changes: Any) -> dict[str, Any]:
    told = {name: option.get("default") for name, option in spec.items()}
    key, _equals, value = this_checkout.label().partition("=")
    return {**told, "checkout": str(checkout.root), "labels": {key: value}, **changes}


def netbase(checkout: Checkout, sha256: str = NETBASE_DSC) -> None:
    """A package of Debian's source, of which only control and changelog are ours."""
    folder = checkout.root / "packages" / "netbase"
    (folder / "debian").mkdir(parents=True)
    (folder / "package.yml").write_text(NETBASE.format(sha256=sha256))
    (folder / "debian" / "control").write_text(NETBASE_CONTROL)
    (folder / "debian" / "changelog").write_text(CHANGELOG.format(name="netbase", version="6.4"))


def test_good_and_bad_packages(checkout: Checkout, run: ModuleRunner) -> None:
    """What is well goes into the folder with what belongs to it; of what is not, the message names the file, and nothing is left."""
    checkout.add("greeting")
    netbase(checkout)
    (checkout.add("careless") / "debian" / "copyright").unlink()
    checkout.add("broken", "./no-such-program")
    mute = checkout.add("mute")
    (mute / "program").write_text("#!/bin/sh\necho nothing\n")
    with pytest.raises(PackageError) as refused:
        deb_build.build(params(checkout, deb_build.ARGUMENTS), False, run)
    said = str(refused.value)
    assert said.startswith("Failed to build 3 of 5 packages: ")
    assert f"E: careless: no-copyright-file. Mend {checkout.root}/packages/careless/debian" in said
    assert "./no-such-program: No such file or directory" in said
    assert f"Read {checkout.output}/work/broken/log, mend {checkout.root}/packages/broken" in said
    assert 'Failed to accept mute: its smoke test says:' in said
    assert '+ test "$(mute)" = hello. Mend the package, or smoke_test in' in said
    listed = json.loads((checkout.output / "packages.json").read_text())
    assert [one["name"] for one in listed] == ["greeting", "netbase"]
    names = {path.name.split("_")[0] + path.suffix for path in checkout.output.glob("*_*")}
    assert names == {f"{name}{suffix}" for name in ("greeting", "netbase") for suffix in (".deb", ".buildinfo", ".json")}
    files = dict(deb.files(checkout.output / "netbase_6.4-1~deb12_all.deb"))
    assert b"http\t\t80/tcp" in files["etc/services"]


def test_wrong_digest_of_a_debian_source(checkout: Checkout, run: ModuleRunner) -> None:
    netbase(checkout, "0" * 64)
    with pytest.raises(PackageError, match=rf"netbase_6.4.dsc with SHA-256 {NETBASE_DSC}.*package.yml says 0000"):
        deb_build.build(params(checkout, deb_build.ARGUMENTS), False, run)
    assert not list(checkout.output.glob("*.deb"))
    assert not list((checkout.root / "build" / "sources").iterdir())


def test_a_package_that_embeds_the_time_is_not_reproducible(checkout: Checkout, run: ModuleRunner) -> None:
    """The proof can fail, says where, and passes for the package beside it; everything that it varies really was another."""
    checkout.add("greeting")
    checkout.add("timely", "date > debian/timely/usr/bin/when")
    proven = deb_reproduction.prove(params(checkout, deb_reproduction.ARGUMENTS), False, run)
    assert proven["failed"]
    assert proven["msg"].startswith("Failed to reproduce 1 of 2 packages: timely: usr/bin/when differs in content. Find in its build")
    greeting, timely = proven["proofs"]
    assert (greeting["name"], greeting["differences"]) == ("greeting", [])
    assert greeting["digests"][0] == greeting["digests"][1]
    assert timely["digests"][0] != timely["digests"][1]
    one, other = greeting["surroundings"]
    assert {name for name in one if one[name] == other[name]} == set()
    assert set(one) == {"path", "clock", "zone", "locale", "weekday", "umask", "host"}
    assert one["clock"][:4] != other["clock"][:4]


def test_check_mode_builds_nothing(checkout: Checkout, run: ModuleRunner) -> None:
    checkout.add("greeting")
    told = deb_reproduction.prove(params(checkout, deb_reproduction.ARGUMENTS), True, run)
    assert told["summary"] == ["greeting would be built twice"]
    assert not (checkout.root / "build").exists()
