"""Two builds are compared down to the file. Here a function stands in for the container; the real one is in tests/integration/packages."""

from __future__ import annotations

import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from ansible_collections.twine.platform.plugins.module_utils._packages import definition, runner
from ansible_collections.twine.platform.plugins.module_utils._packages.builder import BaseImage, Builder
from ansible_collections.twine.platform.plugins.module_utils._packages.reproduction import Proof, reproduce, table
from ansible_collections.twine.platform.plugins.module_utils._packages.sources import Sources

from .conftest import write_deb


class Docker:
    """Builds a deb; the package takes on what `leaks` names of its surroundings."""

    def __init__(self, leaks: str = "") -> None:
        self.leaks = leaks
        self.seen: list[dict[str, str]] = []

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
        if args[1] == "image":
            return runner.Result(0, "sha256:1\n", "")
        assert sink is not None
        assert log is not None
        told = dict(word.removeprefix("--env=").split("=", 1) for word in args if word.startswith("--env="))
        told["host"] = next(word.removeprefix("--hostname=") for word in args if word.startswith("--hostname="))
        self.seen.append(told)
        log.write_text("")
        fields = {"Package": "greeting", "Version": "1.0-1~deb12", "Architecture": "all"}
        deb = write_deb(sink.with_name("greeting_1.0-1~deb12_all.deb"), fields, {"usr/share/built": told.get(self.leaks, "").encode()})
        surroundings = sink.with_name("surroundings")
        surroundings.write_text(f"path={told['BUILD_PATH']}\nhost={told['host']}\n")
        with tarfile.open(sink, "w") as tar:
            tar.add(deb, deb.name)
            tar.add(surroundings, surroundings.name)
        return runner.Result(0, "", "")


def prove(docker: Docker, tmp_path: Path, packages: Path) -> Proof:
    (packages / "builder").mkdir()
    builder = Builder(docker, packages / "builder", BaseImage(docker, "base"))
    folder = tmp_path / "twice"
    (folder / "one").mkdir(parents=True)
    (folder / "one" / "left-over").touch()
    (proof,) = reproduce(
        builder,
        Sources(tmp_path, tmp_path / "sources", docker),
        folder,
        "deb12",
        definition.load_packages(packages, [], "deb12", {}),
        [].append,
    )
    assert not (folder / "one" / "left-over").exists()
    return proof


def test_the_same_bytes(tmp_path: Path, packages: Path) -> None:
    docker = Docker()
    proof = prove(docker, tmp_path, packages)
    assert proof.differences == []
    assert proof.digests[0] == proof.digests[1]
    assert table([proof])[0] == "greeting 1.0-1~deb12: the same bytes"
    assert table([proof])[1:] == [
        f"  {proof.digests[0]}",
        "    path=/build/package host=one",
        f"  {proof.digests[1]}",
        "    path=/tmp/somewhere/else/entirely host=other",
    ]


def test_everything_is_varied(tmp_path: Path, packages: Path) -> None:
    docker = Docker()
    prove(docker, tmp_path, packages)
    one, other = docker.seen
    same = {name for name, value in one.items() if other.get(name) == value}
    assert same == {"SOURCE_DATE_EPOCH", "UNPACK", "LINTIAN"}
    assert {"BUILD_PATH", "BUILD_UMASK", "TZ", "LC_ALL", "BUILD_CLOCK", "host"} <= other.keys()


@pytest.mark.parametrize("leaks", ["BUILD_PATH", "TZ", "LC_ALL", "BUILD_UMASK", "BUILD_CLOCK", "host"])
def test_what_leaks_is_found(tmp_path: Path, packages: Path, leaks: str) -> None:
    proof = prove(Docker(leaks), tmp_path, packages)
    assert proof.differences == ["usr/share/built differs in content"]
    assert table([proof])[0] == "greeting 1.0-1~deb12: DIFFERENT"
    assert table([proof])[-1] == "  usr/share/built differs in content"
