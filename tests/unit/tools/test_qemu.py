from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tools import docker_engine, qemu, work


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """A machine without QEMU, root on Debian; returns what is installed on it."""
    packages: list[str] = []
    (tmp_path / "debian_version").touch()
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(qemu, "DEBIAN", tmp_path / "debian_version")
    monkeypatch.setattr(docker_engine, "apt_install", lambda _part, names: packages.extend(names))
    return packages


def test_root_on_debian_installs_what_is_missing(installed: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/qemu-img" if name == "qemu-img" else None)
    qemu.ensure()
    assert installed == ["qemu-system-x86"]


def test_what_is_there_is_left_alone(installed: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    qemu.ensure()
    assert installed == []


@pytest.mark.parametrize("why", ["a user", "another system"])
def test_others_are_told_in_one_sentence_what_to_install(installed: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, why: str) -> None:
    if why == "a user":
        monkeypatch.setattr(os, "geteuid", lambda: 1000)
    else:
        monkeypatch.setattr(qemu, "DEBIAN", tmp_path / "gone")
    with pytest.raises(work.Failed, match=r"Install QEMU .*qemu-system-x86 qemu-utils"):
        qemu.ensure()
    assert installed == []
    # Setup goes on: only a box needs it.
    assert qemu.offer().startswith("make box will fail to make or boot a box")


@pytest.mark.parametrize(
    ("flags", "device", "expected"),
    [("fpu vmx sse", True, True), ("fpu svm", True, True), ("fpu sse", True, False), ("fpu vmx", False, False)],
)
def test_a_device_without_a_processor_that_virtualizes_is_no_use(tmp_path: Path, flags: str, device: bool, expected: bool) -> None:
    (tmp_path / "cpuinfo").write_text(f"processor\t: 0\nflags\t\t: {flags}\n")
    if device:
        (tmp_path / "kvm").touch()
    assert qemu.virtualizes(tmp_path / "kvm", tmp_path / "cpuinfo") is expected
    assert not qemu.virtualizes(tmp_path / "kvm", tmp_path / "gone")
