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

HOSTNAME = """---
name: hostname
version: "3.23+nmu1"
summary: Says what this machine is called
licence: GPL-2.0-only
architecture: any
source:
  kind: debian
  package: hostname
  version: "3.23+nmu1"
  suite: bookworm
  sha256: "{sha256}"
build_depends: []
depends: []
smoke_test:
  - hostname --version 2>&1 | grep --quiet '^hostname'
"""
HOSTNAME_CONTROL = """Source: hostname
Section: admin
Priority: optional
Maintainer: A Person <a@example.org>
Build-Depends: debhelper-compat (= 13)
Standards-Version: 4.6.2
Rules-Requires-Root: binary-targets

Package: hostname
Architecture: any
Depends: ${misc:Depends}, ${shlibs:Depends}
Description: says what this machine is called
 Debian's program, built from Debian's source.
"""
HOSTNAME_DSC = "56f2189eaeee638e86d29a05356e7001632e33b2132a41a4634a9ff839264ea6"


def params(checkout: Checkout, spec: dict[str, dict[str, Any]], **changes: Any) -> dict[str, Any]:
    told = {name: option.get("default") for name, option in spec.items()}
    key, _equals, value = this_checkout.label().partition("=")
    return {**told, "checkout": str(checkout.root), "labels": {key: value}, **changes}


def hostname(checkout: Checkout, sha256: str = HOSTNAME_DSC) -> None:
    """A package of Debian's source, of which only control and changelog are ours."""
    folder = checkout.root / "packages" / "hostname"
    (folder / "debian").mkdir(parents=True)
    (folder / "package.yml").write_text(HOSTNAME.format(sha256=sha256))
    (folder / "debian" / "control").write_text(HOSTNAME_CONTROL)
    (folder / "debian" / "changelog").write_text(CHANGELOG.format(name="hostname", version="3.23+nmu1"))


def test_good_and_bad_packages(checkout: Checkout, run: ModuleRunner) -> None:
    """What is well goes into the folder with what belongs to it; of what is not, the message names the file, and nothing is left."""
    checkout.add("greeting")
    hostname(checkout)
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
    assert [one["name"] for one in listed] == ["greeting", "hostname"]
    names = {path.name.split("_")[0] + path.suffix for path in checkout.output.glob("*_*")}
    assert names == {f"{name}{suffix}" for name in ("greeting", "hostname") for suffix in (".deb", ".buildinfo", ".json")}
    (built,) = checkout.output.glob("hostname_3.23+nmu1-1~deb12_*.deb")
    assert {"bin/hostname", "usr/share/man/man1/hostname.1.gz"} <= {path for path, _content in deb.files(built)}


def test_wrong_digest_of_a_debian_source(checkout: Checkout, run: ModuleRunner) -> None:
    hostname(checkout, "0" * 64)
    with pytest.raises(PackageError, match=rf"hostname_3.23.nmu1.dsc with SHA-256 {HOSTNAME_DSC}.*package.yml says 0000"):
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
