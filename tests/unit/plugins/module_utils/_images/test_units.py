"""States and environments of units, from the links and files of a root that does not run."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.twine.platform.plugins.module_utils._images.root import read
from ansible_collections.twine.platform.plugins.module_utils._images.units import environments, states
from tests.unit.plugins.module_utils._images import machine

VENDOR = "usr/lib/systemd/system"
OURS = "etc/systemd/system"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = machine.make(tmp_path / "root")
    texts = {
        f"{VENDOR}/term@.service": "[Install]\nWantedBy=getty.target\nDefaultInstance=tty1\n",
        f"{VENDOR}/name.service": "[Install]\nAlias=other.service\n",
        f"{VENDOR}/also.service": "[Install]\nAlso=name.socket\n",
        f"{VENDOR}/empty.service": "",
        f"{VENDOR}/reset.service": "[Service]\nEnvironment=A=1\nEnvironment=\nEnvironment=B=2 \\\n  C=3\n# Environment=D=4\n",
        f"{OURS}/reset.service.d/20-late.conf": "[Service]\nEnvironment=B=late\n",
        f"{VENDOR}/reset.service.d/10-early.conf": "[Service]\nEnvironment=B=early\n",
        f"{VENDOR}/reset.service.d/30-gone.conf": "[Service]\nEnvironment=B=gone\n",
        "opt/linked.service": "[Service]\nEnvironment=L=1\n",
    }
    for name, text in texts.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    links = {
        f"{OURS}/getty.target.wants/term@tty1.service": f"/{VENDOR}/term@.service",
        f"{OURS}/other.service": f"/{VENDOR}/name.service",
        f"{OURS}/linked.service": "/opt/linked.service",
        f"{OURS}/reset.service.d/30-gone.conf": "/dev/null",
    }
    for name, target in links.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).symlink_to(target)
    return root


@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("nginx.service", "enabled"),
        ("clock.service", "disabled"),
        ("oneshot.service", "static"),
        ("masked.service", "masked"),
        ("empty.service", "masked"),
        ("term@.service", "enabled"),
        ("name.service", "enabled"),
        ("other.service", "alias"),
        ("also.service", "indirect"),
        ("linked.service", "linked"),
    ],
)
def test_a_units_state(folder: Path, name: str, state: str) -> None:
    assert states(read(folder))[name] == state


def test_the_environment_is_merged_as_systemd_does(folder: Path) -> None:
    found = environments(read(folder))
    assert found["reset.service"] == {"B": "late", "C": "3"}
    assert found["nginx.service"] == {"WORKERS": "2", "GREETING": "good day", "OPTIONS": "-g daemon", "/run/machine.env": "(comes later)"}


def test_who_has_none_or_is_masked_is_not_listed(folder: Path) -> None:
    (folder / OURS / "nginx.service").symlink_to("/dev/null")
    assert {"oneshot.service", "nginx.service", "other.service"}.isdisjoint(environments(read(folder)))
