"""The modules of the repository machine, from their options to their answer, with a real aptly and a real apt."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.twine.platform.plugins.module_utils._packages.aptly import Aptly
from ansible_collections.twine.platform.plugins.module_utils._packages.entry import Deb
from ansible_collections.twine.platform.plugins.module_utils._packages.errors import PackageError
from ansible_collections.twine.platform.plugins.module_utils._packages.runner import Result
from ansible_collections.twine.platform.plugins.modules import aptly_mirror, aptly_publication, aptly_snapshot, repository_index
from tests.support import debian
from tests.unit.plugins.conftest import KEY_EMAIL

MakeDeb = Callable[..., Deb]


@pytest.fixture
def options(aptly: Aptly) -> Callable[..., dict[str, Any]]:
    """A module's options: its defaults, where this aptly is, and what is given."""

    def merged(arguments: Mapping[str, Mapping[str, Any]], **given: Any) -> dict[str, Any]:
        here = {"root": str(aptly.root), "config": str(aptly.config), "user": aptly.user, "incoming": str(aptly.root / "incoming")}
        known = {name: spec.get("default") for name, spec in arguments.items()}
        return known | {name: value for name, value in here.items() if name in known} | given

    return merged


def starter(aptly: Aptly, needs: str = "") -> Callable[..., Result]:
    """Starts what a module starts; `aptly` is the one that was built here."""

    def run(args: Sequence[str], **given: Any) -> Result:
        here = [aptly.binary if word == "aptly" else word for word in args]
        return aptly.run(debian.command(here, needs) if needs else here, **given)

    return run


def named(deb: Deb) -> dict[str, Any]:
    return {"name": deb.name, "version": deb.version, "architecture": deb.architecture, "sha256": deb.sha256, "file": deb.file_name}


def test_a_snapshot_is_looked_at_made_shown_and_read_back(aptly: Aptly, make_deb: MakeDeb, options: Any, public_key: str, tmp_path: Path) -> None:
    run, packages = starter(aptly), [named(make_deb("one")), named(make_deb("two"))]
    asked = options(aptly_snapshot.ARGUMENTS, packages=packages)
    looked = aptly_snapshot.ensure(asked, True, run)
    assert (looked["changed"], looked["missing"], aptly.snapshots()) == (True, ["one", "two"], [])

    made = aptly_snapshot.ensure(asked, False, run)
    assert made["changed"] and made["diff"]["after"].startswith("one_1.0-1_all ")
    assert not aptly_snapshot.ensure(asked, False, run)["changed"]

    show = options(aptly_publication.ARGUMENTS, snapshot=made["snapshot"], signing_key=KEY_EMAIL)
    assert aptly_publication.ensure(show, True, run)["changed"]
    assert not (aptly.root / "public").exists()
    shown = aptly_publication.ensure(show, False, run)
    assert (shown["changed"], shown["previous"], shown["diff"]["after"]) == (True, "", f"{made['snapshot']}\n")

    (tmp_path / "key.asc").write_text(public_key)
    address = {"url": f"file:{aptly.root}/public", "keyring": str(tmp_path / "key.asc"), "labels": {}}
    read = repository_index.read(options(repository_index.ARGUMENTS, packages=packages, **address), starter(aptly, "apt-get"))
    assert (sorted(read["packages"]), read["differences"]) == (["one", "two"], [])
    more = [*packages, {**packages[0], "name": "three"}]
    read = repository_index.read(options(repository_index.ARGUMENTS, packages=more, **address), starter(aptly, "apt-get"))
    assert read["differences"] == ["three_1.0-1_all is missing"]


@pytest.mark.parametrize(
    ("module", "given", "said"),
    [
        (aptly_snapshot, {"packages": []}, "packages is empty. Name the packages"),
        (aptly_snapshot, {"merge": []}, "merge is empty. Name the snapshots"),
        (aptly_mirror, {"suites": [], "packages": ["nginx"]}, "suites is empty. Name the suites"),
        (
            aptly_mirror,
            {"suites": [{"url": "http://x", "suite": "s", "components": ["main"]}], "packages": [], "keyring": "/no/key"},
            "its keyring /no/key is not there. Install",
        ),
    ],
)
@pytest.mark.parametrize("check", [True, False])
def test_what_is_no_use_is_refused_before_aptly_is_asked(
    module: Any, given: dict[str, Any], said: str, check: bool, aptly: Aptly, options: Any
) -> None:
    def run(args: Sequence[str], **_given: Any) -> Result:
        pytest.fail(f"{args} was started")

    with pytest.raises(PackageError, match=said):
        module.ensure(options(module.ARGUMENTS, **given), check, run)


def test_an_index_without_its_key_is_not_read(aptly: Aptly, options: Any) -> None:
    asked = options(repository_index.ARGUMENTS, url="file:/nowhere", keyring="/no/key.asc", labels={})
    with pytest.raises(PackageError, match=r"its key /no/key.asc is not there. Run playbooks/repository.yml"):
        repository_index.read(asked, starter(aptly))
