"""A release to change, a real ssh-keygen, and modules run as they are."""

from __future__ import annotations

import copy
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args

from ansible_collections.twine.platform.plugins.module_utils._packages.runner import ModuleRunner
from ansible_collections.twine.platform.plugins.module_utils._release.signature import Signatures

GOOD: dict[str, Any] = {
    "name": "1.0.0-0a1b2c",
    "snapshot": "20260101T000000Z-0a1b2c3d4e5f",
    "commit": "0123abcdef01",
    "packages": {
        "twine": {"version": "1.0.0-1~deb12", "architecture": "all", "sha256": "0" * 64},
        "twine-machine": {"version": "1.0-1~deb12", "architecture": "all", "sha256": "1" * 64},
    },
    "images": {"twine": "ami-0123456789abcdef0", "bastion": "ami-fedcba98765432100"},
    "bake_keys": {"twine": "0a1b2c3d4e5f", "bastion": "5f4e3d2c1b0a"},
    "templates": {"network.yml": "1" * 64, "application.yml": "2" * 64},
    "plan": {"dev/application": "3" * 64, "prod/application": "3" * 64},
    "distribution": {"libssl3": {"version": "3.0.15-1~deb12u1", "architecture": "amd64", "sha256": "4" * 64}},
}


@pytest.fixture
def good() -> dict[str, Any]:
    """A release as data, to change."""
    return copy.deepcopy(GOOD)


def module_of(options: Mapping[str, Any], params: Mapping[str, Any], check_mode: bool = False) -> AnsibleModule:
    """A module as it runs, with ``params``."""
    with patch_module_args({**params, "_ansible_check_mode": check_mode}):
        return AnsibleModule(argument_spec=dict(options), supports_check_mode=True)


@pytest.fixture
def signatures() -> Signatures:
    return Signatures(ModuleRunner(module_of({}, {}).run_command))


def make_key(path: Path) -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(path)], check=True)
    return path


def allow(key: Path, signers: Path, options: str = 'namespaces="twine.platform.release"') -> Path:
    signers.write_text(f"# Who may.\nada {options} {key.with_suffix('.pub').read_text()}")
    return signers


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Real keys by name, each made once."""
    folder = tmp_path_factory.mktemp("keys")
    return lambda name: folder / name if (folder / name).exists() else make_key(folder / name)
