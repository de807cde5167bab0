"""A real aptly with a real key, and debs to put into it."""

from __future__ import annotations

import getpass
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args

from ansible_collections.twine.platform.plugins.module_utils._packages import runner
from ansible_collections.twine.platform.plugins.module_utils._packages.aptly import Aptly
from ansible_collections.twine.platform.plugins.module_utils._packages.entry import Deb
from ansible_collections.twine.platform.plugins.module_utils._packages.tree import sha256_of
from tests.support import debian, trees

ROOT = Path(__file__).resolve().parents[3]
KEY_EMAIL = "tests@example.invalid"
KEY = f"%no-protection\nKey-Type: eddsa\nKey-Curve: ed25519\nKey-Usage: sign\nName-Email: {KEY_EMAIL}\nExpire-Date: 1d\n%commit\n"


def module_runner() -> runner.ModuleRunner:
    """Runs the real thing, as a module does."""
    with patch_module_args({}):
        return runner.ModuleRunner(AnsibleModule(argument_spec={}).run_command)


def as_oneself(args: Sequence[str], **options: Any) -> runner.Result:
    """Runs the real thing; only that it changes no user, which takes root."""
    if args[0] == "runuser":
        args = args[list(args).index("--") + 1 :]
    return module_runner()(debian.command(args), **options)


@pytest.fixture(scope="session")
def signing_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for gpg with a signing key."""
    # Short, for gpg's socket must fit into 108 characters.
    home = tmp_path_factory.mktemp("gpg")
    home.chmod(0o700)
    subprocess.run(["gpg", "--homedir", str(home), "--batch", "--generate-key"], input=KEY.encode(), check=True, capture_output=True)
    return home


def aptly_at(root: Path, signing_home: Path) -> Aptly:
    """A real aptly with an empty repository in a folder that is made for it."""
    binary = ROOT / "build" / "tools" / "bin" / "aptly"
    found = str(binary) if binary.is_file() else shutil.which("aptly")
    if found is None:
        pytest.fail("Failed to find aptly: it is not built. Run `make setup`.")
    root.mkdir()
    (root / ".gnupg").symlink_to(signing_home)
    (root / "incoming").mkdir()
    config = root / "aptly.conf"
    config.write_text(f'{{"rootDir": "{root}", "gpgProvider": "gpg", "skipLegacyPool": true}}')
    return Aptly(as_oneself, root, config, getpass.getuser(), found)


def fill(aptly: Aptly, origin: Aptly) -> None:
    """Bring an empty aptly all that another has: what takes seconds to make is made once, and changed in copies."""
    trees.copy(origin.root, aptly.root, ".gnupg", "aptly.conf")


@pytest.fixture
def aptly(tmp_path: Path, signing_home: Path) -> Aptly:
    """A real aptly with an empty repository."""
    return aptly_at(tmp_path / "aptly", signing_home)


@pytest.fixture
def public_key(signing_home: Path) -> str:
    """The armored public half of the signing key."""
    command = ["gpg", "--homedir", str(signing_home), "--armor", "--export", KEY_EMAIL]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def make_deb(aptly: Aptly, tmp_path: Path) -> Callable[..., Deb]:
    """Makes a real deb in aptly's incoming folder; returns what identifies it."""
    return deb_maker(aptly, tmp_path / "tree")


def deb_maker(aptly: Aptly, trees: Path) -> Callable[..., Deb]:
    """Makes real debs in aptly's incoming folder, of trees that it writes."""

    def make(name: str = "greeting", version: str = "1.0-1", text: str = "hello", depends: str = "") -> Deb:
        tree = trees / f"{name}-{version}-{text}"
        (tree / "DEBIAN").mkdir(parents=True)
        fields = {"Package": name, "Version": version, "Architecture": "all", "Maintainer": "A <a@example.org>", "Description": text}
        fields |= {"Depends": depends} if depends else {}
        (tree / "DEBIAN" / "control").write_text("".join(f"{key}: {value}\n" for key, value in fields.items()))
        file = aptly.root / "incoming" / f"{name}_{version}_all.deb"
        # gzip, because aptly reads xz only where xz is installed.
        debian.run("dpkg-deb", "-Zgzip", "--root-owner-group", "--build", str(tree), str(file))
        return Deb(name, version, "all", sha256_of(file))

    return make
