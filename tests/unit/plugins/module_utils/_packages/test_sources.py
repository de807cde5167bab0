"""Sources are fetched once, by their own client, and never taken without the right digest."""

from __future__ import annotations

import dataclasses
import hashlib
import http.server
import io
import json
import tarfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

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
    with pytest.raises(PackageError, match=r"Failed to fetch file:.*nothing.tar.gz: .*See whether it answers, or put the file into"):
        Sources(tmp_path, tmp_path / "sources", run).files(dataclasses.replace(package, source=archive))


def test_generated_source_that_is_not_there_yet(tmp_path: Path, run: runner.ModuleRunner, package: definition.Package) -> None:
    key = dataclasses.replace(package, source=definition.GeneratedSource("build/keys/key.asc"))
    with pytest.raises(PackageError, match=r"Failed to build greeting: build/keys/key.asc is not there yet. Run playbooks/repository.yml first"):
        Sources(tmp_path, tmp_path / "sources", run).digests(key)


class Index(http.server.BaseHTTPRequestHandler):
    """A package index of one project with two files."""

    def do_GET(self) -> None:
        answers = {
            "/simple/elastic-client/": json.dumps({"files": [_listed("elastic_client-1.0-py3-none-any.whl"), _listed("elastic_client-1.0.tar.gz")]}),
            "/simple/plain/": "<html>no JSON</html>",
            "/files/elastic_client-1.0.tar.gz": CONTENT.decode(),
        }
        found = answers.get(self.path)
        self.send_response(200 if found else 404)
        self.end_headers()
        self.wfile.write((found or "").encode())

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def _listed(name: str) -> dict[str, str]:
    return {"filename": name, "url": f"../../files/{name}"}


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A real server, named as the user's pip names it."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Index) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/simple"
        monkeypatch.setenv("PIP_INDEX_URL", f"{address}/")
        yield address
        server.shutdown()


def distribution(package: definition.Package, project: str = "elastic-client", version: str = "1.0") -> definition.Package:
    return dataclasses.replace(package, source=definition.PypiSource(project, version, SHA))


def test_source_distribution(tmp_path: Path, index: str, run: runner.ModuleRunner, package: definition.Package) -> None:
    (file,) = Sources(tmp_path, tmp_path / "sources", run).files(distribution(package))
    assert (file.name, file.read_bytes()) == ("elastic_client-1.0.tar.gz", CONTENT)


@pytest.mark.parametrize(
    ("project", "version", "said"),
    [
        ("elastic-client", "1.1", "has no source distribution of this version. Mend source.version, or take another kind of source."),
        ("elastic-cliant", "1.0", "/simple/elastic-cliant/ gives no list of files: HTTP Error 404: Not Found. See whether it answers"),
        ("plain", "1.0", "/simple/plain/ gives no list of files: Expecting value"),
    ],
)
def test_no_source_distribution(
    tmp_path: Path, index: str, run: runner.ModuleRunner, package: definition.Package, project: str, version: str, said: str
) -> None:
    with pytest.raises(PackageError) as refused:
        Sources(tmp_path, tmp_path / "sources", run).files(distribution(package, project, version))
    assert f"Failed to fetch {project} {version}: {index}" in str(refused.value)
    assert said in str(refused.value)
    assert list((tmp_path / "sources").iterdir()) == []


def test_index_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: runner.ModuleRunner, package: definition.Package) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    with pytest.raises(PackageError, match=r"http://127.0.0.1:9/simple/elastic-client/ gives no list of files: .*[Cc]onnection refused.*by hand"):
        Sources(tmp_path, tmp_path / "sources", run).files(distribution(package))


class Archive:
    """Stands in for apt in a container: hands over the files of a source package, of which the .dsc is pinned."""

    def __init__(self, code: int = 0) -> None:
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
        assert sink is not None
        with tarfile.open(sink, "w") as tar:
            for name, content in {"a_1.0.orig.tar.gz": b"upstream", "a_1.0-1.dsc": CONTENT}.items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
        return runner.Result(self.code, "", "E: Unable to find a source package for a")


def test_debian_source_package(tmp_path: Path, package: definition.Package) -> None:
    archive = Archive()
    sources = Sources(tmp_path, tmp_path / "sources", archive, "base")
    debian = dataclasses.replace(package, source=definition.DebianSource("a", "1.0-1", "bookworm", SHA))
    files = sources.files(debian)
    assert [file.name for file in files] == ["a_1.0-1.dsc", "a_1.0.orig.tar.gz"]
    assert sources.files(debian) == files
    assert len(archive.calls) == 1
    assert archive.calls[0][-2:] == ["bookworm", "a=1.0-1"]


def test_debian_source_package_away(tmp_path: Path, package: definition.Package) -> None:
    debian = dataclasses.replace(package, source=definition.DebianSource("a", "1.0-1", "bookworm", SHA))
    with pytest.raises(PackageError, match=r"(?s)Failed to fetch a 1.0-1: apt says:.*Unable to find a source package.*by hand"):
        Sources(tmp_path, tmp_path / "sources", Archive(100), "base").files(debian)
    assert list((tmp_path / "sources").iterdir()) == []
