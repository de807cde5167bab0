"""A package folder to change, and a real aptly with a real key where one was set up."""

from __future__ import annotations

import getpass
import gzip
import io
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args

from ansible_collections.twine.platform.plugins.module_utils._packages import runner
from ansible_collections.twine.platform.plugins.module_utils._packages.aptly import Aptly
from ansible_collections.twine.platform.plugins.module_utils._packages.entry import Deb
from ansible_collections.twine.platform.plugins.module_utils._packages.tree import sha256_of

ROOT = Path(__file__).resolve().parents[5]

DEFINITION = """---
name: greeting
version: "1.0"
summary: Something to install
licence: GPL-3.0-or-later
architecture: all
source:
  kind: tree
build_depends: []
depends: [python3]
smoke_test:
  - greet --version
"""
CONTROL = """Source: greeting
Build-Depends: debhelper-compat (= 13), dh-python

Package: greeting
Architecture: all
Depends: python3 (>= 3.11), ${misc:Depends}
Description: something to install
"""
CHANGELOG = """greeting (1.0-1~deb12) bookworm; urgency=medium

  * Begin.

 -- A Person <a@example.org>  Mon, 24 Nov 2025 09:00:00 +0000
"""
KEY_EMAIL = "tests@example.invalid"
KEY = f"%no-protection\nKey-Type: eddsa\nKey-Curve: ed25519\nKey-Usage: sign\nName-Email: {KEY_EMAIL}\nExpire-Date: 1d\n%commit\n"


def write_deb(path: Path, fields: Mapping[str, str], files: Mapping[str, bytes], epoch: int = 0, mode: int = 0o644) -> Path:
    """Write a deb without dpkg: the control fields and the files by path."""
    control = "".join(f"{name}: {value}\n" for name, value in fields.items()).encode()
    parts = {"debian-binary": b"2.0\n", "control.tar.gz": _packed({"./control": control}, epoch, mode)}
    parts["data.tar.gz"] = _packed({f"./{name}": content for name, content in files.items()}, epoch, mode)
    with path.open("wb") as deb:
        deb.write(b"!<arch>\n")
        for name, data in parts.items():
            deb.write(f"{name:<16}{epoch:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode())
            deb.write(data + b"\n" * (len(data) % 2))
    return path


def _packed(files: Mapping[str, bytes], epoch: int, mode: int) -> bytes:
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mtime, member.mode = len(content), epoch, mode
            tar.addfile(member, io.BytesIO(content))
    return gzip.compress(plain.getvalue(), mtime=0)


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """A folder of packages with one, `greeting`."""
    folder = tmp_path / "packages" / "greeting"
    (folder / "debian").mkdir(parents=True)
    (folder / "package.yml").write_text(DEFINITION)
    (folder / "debian" / "control").write_text(CONTROL)
    (folder / "debian" / "changelog").write_text(CHANGELOG)
    (folder / "text").write_text("hello\n")
    return tmp_path / "packages"


def module_runner() -> runner.ModuleRunner:
    """Runs the real thing, as a module does."""
    with patch_module_args({}):
        return runner.ModuleRunner(AnsibleModule(argument_spec={}).run_command)


@pytest.fixture
def run() -> runner.ModuleRunner:
    return module_runner()


def _as_oneself(
    args: Sequence[str],
    *,
    text: str | None = None,
    source: Path | None = None,
    sink: Path | None = None,
    log: Path | None = None,
    environment: Mapping[str, str] | None = None,
    seconds: float = 600,
) -> runner.Result:
    """Runs the real thing; only that it changes no user, which takes root."""
    if args[0] == "runuser":
        args = args[list(args).index("--") + 1 :]
    return module_runner()(args, text=text, source=source, sink=sink, log=log, environment=environment, seconds=seconds)


@pytest.fixture(scope="session")
def signing_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for gpg with a signing key."""
    # Short, for gpg's socket must fit into 108 characters.
    home = tmp_path_factory.mktemp("gpg")
    home.chmod(0o700)
    subprocess.run(["gpg", "--homedir", str(home), "--batch", "--generate-key"], input=KEY.encode(), check=True, capture_output=True)
    return home


@pytest.fixture
def aptly(tmp_path: Path, signing_home: Path) -> Aptly:
    """A real aptly with an empty repository."""
    binary = ROOT / "build" / "tools" / "bin" / "aptly"
    found = str(binary) if binary.is_file() else shutil.which("aptly")
    if found is None:
        pytest.fail("Failed to find aptly: it is not built. Run `make setup`.")
    root = tmp_path / "aptly"
    root.mkdir()
    (root / ".gnupg").symlink_to(signing_home)
    (root / "incoming").mkdir()
    config = root / "aptly.conf"
    config.write_text(f'{{"rootDir": "{root}", "gpgProvider": "gpg", "skipLegacyPool": true}}')
    return Aptly(_as_oneself, root, config, getpass.getuser(), found)


@pytest.fixture
def public_key(signing_home: Path) -> str:
    """The armored public half of the signing key."""
    command = ["gpg", "--homedir", str(signing_home), "--armor", "--export", KEY_EMAIL]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def make_deb(aptly: Aptly, tmp_path: Path) -> Callable[..., Deb]:
    """Makes a real deb in aptly's incoming folder; returns what identifies it."""
    if shutil.which("dpkg-deb") is None:
        pytest.skip("no dpkg-deb on this machine")

    def make(name: str = "greeting", version: str = "1.0-1", text: str = "hello", depends: str = "") -> Deb:
        tree = tmp_path / "tree" / f"{name}-{version}-{text}"
        (tree / "DEBIAN").mkdir(parents=True)
        fields = {"Package": name, "Version": version, "Architecture": "all", "Maintainer": "A <a@example.org>", "Description": text}
        fields |= {"Depends": depends} if depends else {}
        (tree / "DEBIAN" / "control").write_text("".join(f"{key}: {value}\n" for key, value in fields.items()))
        file = aptly.root / "incoming" / f"{name}_{version}_all.deb"
        # gzip, because aptly reads xz only where xz is installed.
        subprocess.run(["dpkg-deb", "-Zgzip", "--root-owner-group", "--build", str(tree), str(file)], check=True, capture_output=True)
        return Deb(name, version, "all", sha256_of(file))

    return make
