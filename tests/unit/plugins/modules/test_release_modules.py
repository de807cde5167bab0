"""The release's modules write, point, sign and check real files; in check mode they do not."""

from __future__ import annotations

import contextlib
import copy
import importlib
import io
import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args

SNAPSHOT = {
    "snapshot": "20260101T000000Z-0a1b2c3d4e5f",
    "packages": {"twine": {"version": "1.0.0-1~deb12", "architecture": "all", "sha256": "0" * 64}},
    "index": [{"name": "libssl3", "version": "3.0.15-1~deb12u1", "architecture": "amd64", "sha256": "4" * 64}],
}
RELEASE = {
    "name": "1.0.0-0a1b2c",
    "commit": "0123abcdef01",
    "images": {"twine": "ami-0123456789abcdef0"},
    "bake_keys": {"twine": "0a1b2c3d4e5f"},
    "templates": {"application.yml": "2" * 64},
    "plan": {"prod/application": "3" * 64},
}


def run(name: str, params: Mapping[str, Any], check: bool = False) -> dict[str, Any]:
    """Runs a module as Ansible would; what it returned."""
    module = importlib.import_module(f"ansible_collections.twine.platform.plugins.modules.{name}")
    out = io.StringIO()
    with patch_module_args({**params, "_ansible_check_mode": check}), contextlib.redirect_stdout(out), pytest.raises(SystemExit):
        module.main()
    result: dict[str, Any] = json.loads(out.getvalue())
    return result


def write(folder: Path, check: bool = False, **changes: Any) -> dict[str, Any]:
    release = copy.deepcopy(RELEASE) | changes
    path = folder / f"{release['name']}.yml"
    return run("release_file", {"path": str(path), "pointer": "current.yml", "snapshot": SNAPSHOT, "release": release}, check)


def test_a_release_is_written_once_and_pointed_to(tmp_path: Path) -> None:
    folder = tmp_path / "releases"
    first, again = write(folder), write(folder)

    assert (first["changed"], again["changed"]) == (True, False)
    assert (folder / "current.yml").readlink() == Path("1.0.0-0a1b2c.yml")
    written = yaml.safe_load((folder / "current.yml").read_text())
    assert (written["snapshot"], list(written["distribution"])) == (SNAPSHOT["snapshot"], ["libssl3"])


def test_copies_are_named_in_it_and_stay_when_it_is_written_again(tmp_path: Path) -> None:
    folder = tmp_path / "releases"
    write(folder)
    asked = {"path": str(folder / "current.yml"), "copies": {"prod": {"twine": "ami-11111111111111111"}}}
    before = (folder / "current.yml").read_text()

    assert run("release_copies", asked, check=True)["changed"] and (folder / "current.yml").read_text() == before
    assert [run("release_copies", asked)["changed"] for _turn in range(2)] == [True, False]
    assert yaml.safe_load((folder / "1.0.0-0a1b2c.yml").read_text())["copies"] == asked["copies"]
    assert write(folder)["changed"] is False
    assert "copies.prod.search" in run("release_copies", {**asked, "copies": {"prod": {"search": "ami-11111111111111111"}}})["msg"]


def test_an_account_that_owns_the_very_image_has_no_copy_of_it(tmp_path: Path) -> None:
    folder = tmp_path / "releases"
    write(folder)
    own = yaml.safe_load((folder / "current.yml").read_text())["images"]
    asked = {"path": str(folder / "current.yml"), "copies": {"prod": own}}

    assert run("release_copies", asked)["changed"] is False
    run("release_copies", {**asked, "copies": {"prod": {"twine": "ami-11111111111111111"}}})
    assert run("release_copies", asked)["changed"] is True
    assert "copies" not in yaml.safe_load((folder / "current.yml").read_text())


def test_an_account_launches_a_copy_or_the_shared_image_never_both(tmp_path: Path) -> None:
    folder = tmp_path / "releases"
    write(folder)
    current = folder / "current.yml"
    own = {"prod": yaml.safe_load(current.read_text())["images"]}
    copied = {"path": str(current), "copies": {"prod": {"twine": "ami-11111111111111111"}}}
    in_place = {"path": str(current), "copies": own, "shares": own}

    run("release_copies", copied)
    assert [run("release_copies", in_place)["changed"] for _turn in range(2)] == [True, False]
    assert write(folder)["changed"] is False
    assert {key: value for key, value in yaml.safe_load(current.read_text()).items() if key in ("copies", "shares")} == {"shares": own}
    run("release_copies", copied)
    assert "shares" not in yaml.safe_load(current.read_text())
    assert "shares.prod.twine" in run("release_copies", {**in_place, "shares": copied["copies"]})["msg"]


def test_the_next_one_is_pointed_to_and_told_apart(tmp_path: Path) -> None:
    write(tmp_path)
    result = write(tmp_path, name="1.0.1-aaaaaa", bake_keys={"twine": "aaaaaaaaaaaa"})

    assert (tmp_path / "current.yml").readlink() == Path("1.0.1-aaaaaa.yml")
    assert [line.split(":")[0] for line in result["differences"]] == ["image twine"]


def test_an_earlier_one_again_is_only_pointed_to(tmp_path: Path) -> None:
    write(tmp_path)
    write(tmp_path, name="1.0.1-aaaaaa")

    assert write(tmp_path)["changed"]
    assert (tmp_path / "current.yml").readlink() == Path("1.0.0-0a1b2c.yml")


def test_a_pointer_to_what_is_no_release_any_more_is_no_hindrance(tmp_path: Path) -> None:
    (tmp_path / "current.yml").write_text("name: of an older form\n")

    assert write(tmp_path)["differences"] == []
    assert (tmp_path / "current.yml").is_symlink()


def test_other_content_under_the_same_name_is_refused(tmp_path: Path) -> None:
    write(tmp_path)
    before = (tmp_path / "1.0.0-0a1b2c.yml").read_text()
    result = write(tmp_path, commit="none")

    assert result["failed"] and "holds other content. Give the release another name." in result["msg"]
    assert (tmp_path / "1.0.0-0a1b2c.yml").read_text() == before


@pytest.mark.parametrize(("change", "told"), [({"images": {"twine": "latest"}}, "images.twine"), ({"note": "x"}, "note"), ({"plan": {}}, "plan")])
def test_what_is_no_release_is_not_written(tmp_path: Path, change: dict[str, Any], told: str) -> None:
    result = write(tmp_path, **change)

    assert result["failed"] and f"at {told}:" in result["msg"]
    assert list(tmp_path.iterdir()) == []


def test_check_mode_writes_nothing(tmp_path: Path) -> None:
    assert write(tmp_path / "releases", check=True)["changed"]
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def signing(tmp_path: Path) -> dict[str, str]:
    """What release_signature takes: a release behind its pointer, a key, a file that allows it."""
    write(tmp_path)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(tmp_path / "key")], check=True)
    (tmp_path / "signers").write_text(f"ada {(tmp_path / 'key.pub').read_text()}")
    return {"path": str(tmp_path / "current.yml"), "key": str(tmp_path / "key"), "signers": str(tmp_path / "signers")}


def test_a_release_is_signed_once_and_then_accepted(tmp_path: Path, signing: dict[str, str]) -> None:
    first, again = run("release_signature", signing), run("release_signature", signing)
    checked = run("release_check", {"path": signing["path"], "signers": signing["signers"], "account": "prod"})

    assert (first["changed"], first["signer"], again["changed"]) == (True, "ada", False)
    assert (tmp_path / "1.0.0-0a1b2c.yml.sig").is_file() and checked["signer"] == "ada"
    assert {package["name"] for package in checked["contents"]} == {"twine", "libssl3"}


def test_check_mode_signs_nothing(tmp_path: Path, signing: dict[str, str]) -> None:
    assert run("release_signature", signing, check=True)["changed"]
    assert not (tmp_path / "1.0.0-0a1b2c.yml.sig").exists()


def test_a_signature_that_nobody_accepts_does_not_stay(tmp_path: Path, signing: dict[str, str]) -> None:
    (tmp_path / "signers").write_text("")
    result = run("release_signature", signing)

    assert result["failed"] and "does not allow" in result["msg"]
    assert not (tmp_path / "1.0.0-0a1b2c.yml.sig").exists()


def test_what_was_altered_is_not_signed_when_it_is_no_release(tmp_path: Path, signing: dict[str, str]) -> None:
    path = tmp_path / "1.0.0-0a1b2c.yml"
    path.write_text(path.read_text() + "note: by hand\n")
    result = run("release_signature", signing)

    assert result["failed"] and "at note: it is no key of a release file" in result["msg"]


def test_two_releases_are_told_apart(tmp_path: Path) -> None:
    write(tmp_path)
    write(tmp_path, name="1.0.1-aaaaaa", plan={"prod/application": "f" * 64})
    found = run("release_diff", {"old": str(tmp_path / "1.0.0-0a1b2c.yml"), "new": str(tmp_path / "current.yml")})

    assert found["sections"]["stacks"] == [{"kind": "stack", "what": "prod/application", "before": "3" * 12, "after": "f" * 12}]
    assert found["lines"][0] == "release    1.0.0-0a1b2c → 1.0.1-aaaaaa"


def test_patches_are_listed_against_a_snapshot(tmp_path: Path) -> None:
    write(tmp_path)
    running = yaml.safe_load((tmp_path / "current.yml").read_text())
    index = tmp_path / "dists" / "bookworm" / "main" / "binary-amd64" / "Packages"
    index.parent.mkdir(parents=True)
    index.write_text("Package: zlib1g\nSHA256: 0\nFilename: pool/zlib1g.deb\n")
    same = run("release_patches", {"running": running, "snapshot": SNAPSHOT, "tree": str(tmp_path)})
    newer = SNAPSHOT | {"index": [{"name": "libssl3", "version": "3.0.17-1~deb12u3", "architecture": "amd64", "sha256": "5" * 64}]}
    found = run("release_patches", {"running": running, "snapshot": newer, "tree": str(tmp_path)})

    assert (same["fixes"], same["others"]) == ([], {})
    assert found["others"] == {"libssl3": "3.0.17-1~deb12u3"} and "without a changelog" in found["lines"][-1]
