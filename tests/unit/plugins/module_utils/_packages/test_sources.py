"""Sources are fetched once, by their own client, and never taken without the right digest."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from ansible_collections.twine.platform.plugins.module_utils._packages import definition, runner
from ansible_collections.twine.platform.plugins.module_utils._packages.errors import PackageError
from ansible_collections.twine.platform.plugins.module_utils._packages.sources import Sources

CONTENT = b"a server"
SHA = hashlib.sha256(CONTENT).hexdigest()


class Registry:
    """Stands in for Maven, whose registry is not this test's matter: it puts a file where it is told to."""

    def __init__(self, content: bytes = CONTENT, code: int = 0) -> None:
        self.content = content
        self.code = code
        self.calls: list[list[str]] = []

    def __call__(
        self,
        args: Sequence[str],
        *,
        text: str | None = None,
        source: Path | None = None,
        sink: Path | None = None,
        log: Path | None = None,
        environment: Mapping[str, str] | None = None,
        seconds: float = 600,
    ) -> runner.Result:
        self.calls.append(list(args))
        folder = next(arg.partition("=")[2] for arg in args if arg.startswith("-DoutputDirectory="))
        if not self.code:
            (Path(folder) / "server-1.0.zip").write_bytes(self.content)
        return runner.Result(self.code, "", "Could not find artifact org.example:server:zip:1.0")


@pytest.fixture
def package(packages: Path) -> definition.Package:
    loaded = definition.load_package(packages / "greeting", "deb12")
    return dataclasses.replace(loaded, source=definition.MavenSource("org.example:server:1.0:zip", SHA))


def test_fetched_once_and_kept_by_digest(tmp_path: Path, package: definition.Package) -> None:
    registry = Registry()
    sources = Sources(tmp_path, tmp_path / "sources", registry)
    (first,) = sources.files(package)
    assert sources.files(package) == [first]
    assert first == tmp_path / "sources" / SHA / "server-1.0.zip"
    assert len(registry.calls) == 1
    assert "-Dartifact=org.example:server:1.0:zip" in registry.calls[0]


def test_wrong_digest_leaves_nothing(tmp_path: Path, package: definition.Package) -> None:
    sources = Sources(tmp_path, tmp_path / "sources", Registry(b"another server"))
    actual = hashlib.sha256(b"another server").hexdigest()
    with pytest.raises(PackageError) as refused:
        sources.files(package)
    assert str(refused.value) == (
        f"Failed to fetch org.example:server:1.0:zip for greeting: server-1.0.zip with SHA-256 {actual} came, "
        f"and {package.folder}/package.yml says {SHA} in source.sha256. Find out why it differs before you change the definition."
    )
    assert list((tmp_path / "sources").iterdir()) == []


def test_altered_cache_is_fetched_again(tmp_path: Path, package: definition.Package) -> None:
    sources = Sources(tmp_path, tmp_path / "sources", Registry())
    (kept,) = sources.files(package)
    kept.write_bytes(b"altered")
    (again,) = sources.files(package)
    assert again.read_bytes() == CONTENT


def test_registry_away(tmp_path: Path, package: definition.Package) -> None:
    with pytest.raises(PackageError, match=r"(?s)Failed to fetch org.example:server:1.0:zip: Maven says:.*Could not find artifact.*by hand"):
        Sources(tmp_path, tmp_path / "sources", Registry(code=1)).files(package)


def test_missing_client_is_named(run: runner.ModuleRunner) -> None:
    with pytest.raises(PackageError, match=r"Failed to run no-such-client: it is not on PATH. Install no-such-client"):
        run(["no-such-client"])


def test_archive_by_address(tmp_path: Path, run: runner.ModuleRunner, package: definition.Package) -> None:
    (tmp_path / "server.tar.gz").write_bytes(CONTENT)
    archive = definition.ArchiveSource((tmp_path / "server.tar.gz").as_uri(), SHA)
    (file,) = Sources(tmp_path, tmp_path / "sources", run).files(dataclasses.replace(package, source=archive))
    assert file.read_bytes() == CONTENT


def test_archive_away(tmp_path: Path, run: runner.ModuleRunner, package: definition.Package) -> None:
    archive = definition.ArchiveSource((tmp_path / "nothing.tar.gz").as_uri(), SHA)
    with pytest.raises(PackageError, match=r"Failed to fetch file:.*nothing.tar.gz: .*See whether the address answers"):
        Sources(tmp_path, tmp_path / "sources", run).files(dataclasses.replace(package, source=archive))


def test_generated_source_that_is_not_there_yet(tmp_path: Path, run: runner.ModuleRunner, package: definition.Package) -> None:
    key = dataclasses.replace(package, source=definition.GeneratedSource("build/keys/key.asc"))
    with pytest.raises(PackageError, match=r"Failed to build greeting: build/keys/key.asc is not there yet. Run playbooks/repository.yml first"):
        Sources(tmp_path, tmp_path / "sources", run).digests(key)
