from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[3] / "roles/elasticsearch/files/usr/lib/elasticsearch/first_boot.py"
KEYSTORE = "elasticsearch.keystore"


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("first_boot", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up by its name.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


class Machine:
    """A machine below a folder: openssl is real, the keystore's tool and the publisher are noted."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.script: Any = load()
        self.folders = self.script.Folders(root)
        self.root = root
        self.asked: list[tuple[str, str]] = []
        for folder in ("etc/elasticsearch", "var/lib/elasticsearch", "run/machine/secrets", "etc/machine/secrets"):
            (root / folder).mkdir(parents=True)
        monkeypatch.setattr(shutil, "chown", lambda *_arguments: None)
        monkeypatch.setattr(self.script, "run", self._run(self.script.run))

    def _run(self, real: Callable[..., str]) -> Callable[..., str]:
        def run(command: Sequence[str], given: str = "") -> str:
            name = Path(command[0]).name
            if name == "openssl":
                return real(command, given)
            self.asked.append((" ".join([name, *command[1:]]), given))
            if name == "elasticsearch-keystore":
                (self.folders.settings / KEYSTORE).write_text("sealed")
            return ""

        return run

    def boot(self, **environment: str) -> int:
        return int(self.script.main(environment, self.folders, "elasticsearch"))

    def secret(self, name: str, content: str, folder: str = "run") -> None:
        (self.root / folder / "machine/secrets" / name).write_text(content)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


def read(path: Path) -> str:
    return path.read_text()


def test_first_boot_makes_password_authority_and_certificate(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    machine.secret("search", "s3cret\n")
    assert machine.boot() == 0
    assert machine.asked == [("elasticsearch-keystore add --stdin --force bootstrap.password", "s3cret")]
    certificates = machine.folders.certificates
    subprocess.run(["openssl", "verify", "-CAfile", certificates / "ca.crt", certificates / "node.crt"], check=True, capture_output=True)
    assert capsys.readouterr().out == "password: new; certificate: new; authority: published nowhere\n"


def test_second_boot_changes_nothing(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    machine.secret("search", "s3cret")
    machine.boot()
    before = {path: path.read_bytes() for path in machine.root.rglob("*") if path.is_file()}
    machine.asked.clear()
    capsys.readouterr()
    assert machine.boot() == 0
    assert machine.asked == []
    assert {path: path.read_bytes() for path in machine.root.rglob("*") if path.is_file()} == before
    assert capsys.readouterr().out == "password: as it was; certificate: as it was; authority: published nowhere\n"


def test_another_secret_is_taken_over(machine: Machine) -> None:
    machine.secret("search", "old")
    machine.boot()
    machine.secret("search", "new")
    machine.asked.clear()
    assert machine.boot() == 0
    assert [given for _command, given in machine.asked] == ["new"]


def test_keystore_that_came_with_the_image_is_not_trusted(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.secret("search", "s3cret")
    keystore = machine.folders.settings / KEYSTORE
    keystore.write_text("another machine's")
    seen: list[bool] = []
    real = machine.script.run

    def run(command: Sequence[str], given: str = "") -> str:
        seen.append(keystore.exists())
        return str(real(command, given))

    monkeypatch.setattr(machine.script, "run", run)
    machine.boot()
    assert seen[0] is False


def test_account_wins_over_the_file_that_lies_there(machine: Machine) -> None:
    machine.secret("search", "from the file", "etc")
    machine.secret("search", "from the account")
    machine.boot()
    assert machine.asked[0][1] == "from the account"


def test_without_a_secret_it_says_where_it_looked(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    assert machine.boot() == 1
    said = capsys.readouterr().err
    assert said.startswith("Failed to set the password of elastic: there is no ")
    assert "run/machine/secrets/search or " in said


def test_machine_that_takes_over_the_volume_keeps_the_authority(machine: Machine) -> None:
    machine.secret("search", "s3cret")
    machine.boot()
    authority = read(machine.folders.certificates / "ca.crt")
    shutil.rmtree(machine.folders.certificates)
    (machine.folders.settings / KEYSTORE).unlink()
    assert machine.boot() == 0
    assert read(machine.folders.certificates / "ca.crt") == authority


def test_authority_of_a_whole_cluster_is_taken(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = Machine(tmp_path_factory.mktemp("other"), pytest.MonkeyPatch())
    other.secret("search", "s3cret")
    other.boot()
    machine.secret("search", "s3cret")
    machine.secret("search_ca", read(other.folders.authority / "ca.crt"))
    machine.secret("search_ca_key", read(other.folders.authority / "ca.key"))
    assert machine.boot() == 0
    assert read(machine.folders.certificates / "ca.crt") == read(other.folders.certificates / "ca.crt")


def test_certificate_follows_the_names(machine: Machine) -> None:
    machine.secret("search", "s3cret")
    machine.boot()
    first = read(machine.folders.certificates / "node.crt")
    machine.boot(ELASTICSEARCH_NAME="search.dev.example search.example")
    assert read(machine.folders.certificates / "node.crt") != first
    command = ["openssl", "x509", "-in", machine.folders.certificates / "node.crt", "-noout", "-ext", "subjectAltName"]
    names = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert "DNS:search.dev.example" in names
    assert "DNS:search.example" in names
    assert "DNS:localhost" in names


def test_authority_is_published_where_it_is_asked_for(machine: Machine, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    machine.secret("search", "s3cret")
    file = tmp_path / "search_ca"
    assert machine.boot(ELASTICSEARCH_CA_NAME="/twine/dev/search_ca", ELASTICSEARCH_CA_FILE=str(file)) == 0
    authority = machine.folders.certificates / "ca.crt"
    assert (f"machine-config publish /twine/dev/search_ca {authority}", "") in machine.asked
    assert read(file) == read(authority)
    assert f"published /twine/dev/search_ca, {file}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("path", "mode"),
    [
        ("etc/elasticsearch/certs", 0o750),
        ("etc/elasticsearch/certs/node.key", 0o640),
        ("etc/elasticsearch/elasticsearch.keystore", 0o660),
        ("etc/elasticsearch/.password-stamp", 0o600),
        ("var/lib/elasticsearch/identity", 0o700),
        ("var/lib/elasticsearch/data", 0o750),
    ],
)
def test_keys_are_for_those_who_need_them(machine: Machine, path: str, mode: int) -> None:
    machine.secret("search", "s3cret")
    machine.boot()
    assert (machine.root / path).stat().st_mode & 0o777 == mode


def test_password_is_written_nowhere(machine: Machine) -> None:
    machine.secret("search", "s3cret")
    machine.boot()
    written = [path for path in machine.root.rglob("*") if path.is_file() and "secrets" not in path.parts]
    assert not [path for path in written if b"s3cret" in path.read_bytes()]


def test_failing_tool_is_named(tmp_path: Path) -> None:
    script: Any = load()
    with pytest.raises(script.FirstBootError, match=r"^Failed to run sh: it is broken\. "):
        script.run(["/bin/sh", "-c", "echo it is broken >&2; exit 3"])
