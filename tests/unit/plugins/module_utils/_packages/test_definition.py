"""A definition is read strictly: every mistake is named by file and key, with what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.twine.platform.plugins.module_utils._packages import definition
from ansible_collections.twine.platform.plugins.module_utils._packages.errors import PackageError

SHA = "0" * 64


def change(packages: Path, **changes: Any) -> Path:
    """Change fields of the definition (None takes one away); returns the package's folder."""
    path = packages / "greeting" / "package.yml"
    fields = {**yaml.safe_load(path.read_text()), **changes}
    path.write_text(yaml.safe_dump({key: value for key, value in fields.items() if value is not None}))
    return path.parent


def refusal(folder: Path) -> str:
    with pytest.raises(PackageError) as refused:
        definition.load_package(folder, "deb12")
    return str(refused.value).replace(str(folder), "greeting")


def test_everything_is_read(packages: Path) -> None:
    package = definition.load_package(packages / "greeting", "deb12")
    assert (package.name, package.version, package.revision, package.architecture) == ("greeting", "1.0", 1, "all")
    assert package.source == definition.TreeSource()
    assert package.depends == ("python3",)
    assert package.deb_version("deb12") == "1.0-1~deb12"
    assert package.deb_version("deb12", "1.1") == "1.1-1~deb12"


MAVEN = {"kind": "maven", "coordinates": "org.example:server:1.0:zip", "sha256": SHA}
PYPI = {"kind": "pypi", "project": "client", "version": "1.0", "sha256": SHA}
DEBIAN = {"kind": "debian", "package": "hello", "version": "2.10-3", "suite": "bookworm", "sha256": SHA}
ARCHIVE = {"kind": "archive", "url": "https://example.org/server.tar.gz", "sha256": SHA}
GENERATED = {"kind": "generated", "file": "build/keys/key.asc"}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (MAVEN, definition.MavenSource("org.example:server:1.0:zip", SHA)),
        (PYPI, definition.PypiSource("client", "1.0", SHA)),
        (DEBIAN, definition.DebianSource("hello", "2.10-3", "bookworm", SHA)),
        (ARCHIVE, definition.ArchiveSource("https://example.org/server.tar.gz", SHA)),
        (GENERATED, definition.GeneratedSource("build/keys/key.asc")),
    ],
)
def test_each_kind_of_source(packages: Path, source: dict[str, Any], expected: definition.Source) -> None:
    assert definition.load_package(change(packages, source=source), "deb12").source == expected


def without(source: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in source.items() if name != key}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"verison": "1.0"}, "greeting/package.yml: verison is an unknown field. Did you mean version?"),
        ({"owner": "me"}, "owner is an unknown field. Known fields here: architecture, build_depends, depends"),
        ({"version": None}, "version is missing. Add it as packages/README.md shows it."),
        ({"version": 1.0}, "version is a number, not text. Put it in quotes"),
        ({"version": 10}, "version is a number, not text. Put it in quotes"),
        ({"version": "1.0-1"}, "version is '1.0-1'. Write digits first"),
        ({"revision": "1"}, "revision is '1', not a whole number from 1."),
        ({"revision": True}, "revision is True, not a whole number from 1."),
        ({"name": "Greeting"}, "name is 'Greeting', not a Debian package name."),
        ({"name": "welcome"}, "name is welcome, but the folder is greeting. Give both the same name."),
        ({"architecture": "alll"}, "architecture is 'alll'. Did you mean all?"),
        ({"depends": "python3"}, "depends is text, not a list of names."),
        ({"source": "tree"}, "source is text, not a mapping."),
        ({"source": {"kind": "git"}}, "source.kind is 'git'. Choose one of tree, maven, pypi, debian, archive, generated."),
        ({"source": {"kind": "tree", "sha256": SHA}}, "source.sha256 is an unknown field."),
        ({"source": {"kind": "tree", "path": "nowhere"}}, "source.path is 'nowhere', and there is no such folder here."),
        ({"source": without(MAVEN, "sha256")}, "source.sha256 is missing. Add the file's SHA-256 (sha256sum FILE prints it)."),
        ({"source": {**MAVEN, "sha256": "abc"}}, "source.sha256 is 'abc', not a SHA-256. Write 64 lower-case"),
        ({"source": {**MAVEN, "coordinates": "server"}}, "source.coordinates is 'server'. Write group:artifact:version"),
        ({"source": without(PYPI, "project")}, "source.project is missing."),
        ({"source": {**PYPI, "wheels": []}}, "source.wheels is an unknown field. Known fields here: kind, project, sha256, version."),
        ({"source": without(DEBIAN, "suite")}, "source.suite is missing."),
        ({"licence": "free for all"}, "licence is 'free for all', not an SPDX expression. Write one such as Apache-2.0"),
        ({"smoke_test": None}, "smoke_test is missing. List commands that must succeed where the package is installed"),
        ({"smoke_test": "greet"}, "smoke_test is text, not a list of commands. Write '- PROGRAM --version'."),
        ({"smoke_test": [{"echo Version": "1"}]}, "smoke_test[0] is a mapping, not text. Put it in quotes."),
        ({"depends": ["python3", 3]}, "depends[1] is a number, not text. Put it in quotes."),
        ({"smoke_test": ["greet\ngreet"]}, "smoke_test has a command of several lines."),
    ],
)
def test_a_mistake_is_named(packages: Path, changes: dict[str, Any], said: str) -> None:
    assert said in refusal(change(packages, **changes))


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("package.yml", "---", "--- [", "it is no YAML"),
        ("package.yml", "depends: [python3]", "depends: [python3, git]", "depends differs from Depends in debian/control (git only in package.yml)"),
        ("debian/control", "dh-python", "python3-flask", "(python3-flask only in debian/control). Name the same packages in both."),
        ("debian/control", "Package: greeting", "Package: welcome", "debian/control: it has no paragraph 'Package: greeting'"),
        ("debian/changelog", "1.0-1~deb12", "0.9-1~deb12", "its top entry is greeting (0.9-1~deb12), the definition's is greeting (1.0-1~deb12)"),
    ],
)
def test_debian_folder_says_the_same(packages: Path, file: str, old: str, new: str, said: str) -> None:
    path = packages / "greeting" / file
    path.write_text(path.read_text().replace(old, new, 1))
    assert said in refusal(path.parents[len(Path(file).parts) - 1])


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ("greeting: no-manual-page *\n", "line 1 has a wildcard. Write one line for each place that lintian names."),
        ("greeting: no-manual-page [usr/bin/greet]\n", "line 1 has no reason. Say in a comment right above it"),
        ("# Said by --help.\ngreeting: no-manual-page [usr/bin/greet]\ngreeting: other-tag [x]\n", "line 3 has no reason."),
        ("#\ngreeting: no-manual-page [usr/bin/greet]\n", "line 2 has no reason."),
    ],
)
@pytest.mark.parametrize("place", ["debian/greeting.lintian-overrides", "debian/source/lintian-overrides"])
def test_overrides_have_a_reason_each(packages: Path, place: str, overrides: str, said: str) -> None:
    path = packages / "greeting" / place
    path.parent.mkdir(exist_ok=True)
    path.write_text(overrides)
    assert f"Failed to read greeting/{place}: {said}" in refusal(packages / "greeting")


def test_an_override_with_its_reason(packages: Path) -> None:
    path = packages / "greeting" / "debian" / "greeting.lintian-overrides"
    path.write_text("# Said by --help.\ngreeting: no-manual-page [usr/bin/greet]\n\n# Too.\ngreeting: other-tag [x]\n")
    assert definition.load_package(packages / "greeting", "deb12").name == "greeting"


def test_missing_debian_folder(packages: Path) -> None:
    (packages / "greeting" / "debian" / "control").unlink()
    assert "debian/control: No such file or directory. Add Debian's packaging for it." in refusal(packages / "greeting")


def test_unknown_package_is_suggested(packages: Path) -> None:
    with pytest.raises(PackageError, match=r"there is no packages/greting/package.yml. Did you mean greeting\?"):
        definition.load_packages(packages, ["greting"], "deb12", {})


def test_another_source_stands_in(packages: Path) -> None:
    (loaded,) = definition.load_packages(packages, [], "deb12", {"greeting": ARCHIVE})
    assert isinstance(loaded.source, definition.ArchiveSource)


def test_every_package_of_this_checkout_is_defined_well() -> None:
    root = Path(__file__).resolve().parents[5] / "packages"
    names = [package.name for package in definition.load_packages(root, [], "deb12", {})]
    assert {"elasticsearch", "python3-elastic-transport", "python3-elasticsearch", "twine", "twine-archive-keyring"} <= set(names)
