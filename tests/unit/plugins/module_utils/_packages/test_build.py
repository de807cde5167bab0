"""What is built, and why; here a shell stands in for the container, everything else is real."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from ansible_collections.twine.platform.plugins.module_utils._packages import definition, runner
from ansible_collections.twine.platform.plugins.module_utils._packages.build import Outcome, Workshop, explain
from ansible_collections.twine.platform.plugins.module_utils._packages.builder import Builder, changelog_epoch
from ansible_collections.twine.platform.plugins.module_utils._packages.errors import PackageError
from ansible_collections.twine.platform.plugins.module_utils._packages.sources import Sources


class Docker:
    """Answers like Docker's client: images have ids; a build takes the package's text into a file named like a deb."""

    def __init__(self) -> None:
        self.base_id = "sha256:1"
        self.breaks = ""
        self.built: list[str] = []

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
            return runner.Result(0, f"{self.base_id}\n", "")
        assert args[1] == "run"
        assert "--network=none" in args
        assert source is not None
        assert sink is not None
        assert log is not None
        with tarfile.open(source) as tar:
            names = tar.getnames()
            changelog = (tar.extractfile("debian/changelog") or pytest.fail("no changelog")).read().decode()
            content = (tar.extractfile("text") or pytest.fail("no text")).read()
        name, version = changelog.split(" ")[:2]
        self.built.append(name)
        if name == self.breaks:
            log.write_text("dh: error\n")
            return runner.Result(2, "", "dh: error")
        deb = sink.parent / f"{name}_{version.strip('()')}_all.deb"
        deb.write_bytes(content + ",".join(names).encode())
        with tarfile.open(sink, "w") as tar:
            tar.add(deb, deb.name)
        deb.unlink()
        return runner.Result(0, "", "")


class Shop:
    """A checkout with a workshop in it."""

    def __init__(self, root: Path, packages: Path) -> None:
        self.docker = Docker()
        self.root = root
        self.packages = packages
        (packages / "builder").mkdir()
        (packages / "builder" / "Dockerfile").write_text("FROM base\n")
        self.output = root / "build" / "packages"

    def run(self, versions: Mapping[str, str] | None = None, names: Sequence[str] = ()) -> list[Outcome]:
        shop = Workshop(
            Builder(self.docker, self.packages / "builder", "base"),
            Sources(self.root, self.root / "sources", self.docker),
            self.output,
            "deb12",
        )
        steps = shop.plan(definition.load_packages(self.packages, names, "deb12", {}), versions or {})
        return shop.carry_out(steps, definition.defined_names(self.packages), [].append)

    def change(self, file: str, text: str) -> None:
        (self.packages / "greeting" / file).write_text(text)

    def debs(self) -> list[str]:
        return sorted(path.name for path in self.output.glob("*.deb"))


@pytest.fixture
def shop(tmp_path: Path, packages: Path) -> Shop:
    return Shop(tmp_path, packages)


def told(outcomes: Sequence[Outcome]) -> list[tuple[str, str]]:
    return [(outcome.how, outcome.reason) for outcome in outcomes]


def test_first_build(shop: Shop) -> None:
    assert told(shop.run()) == [("built", "never built here")]
    (listed,) = json.loads((shop.output / "packages.json").read_text())
    assert listed["file"] == "greeting_1.0-1~deb12_all.deb"
    assert shop.debs() == [listed["file"]]


def test_nothing_changed(shop: Shop) -> None:
    shop.run()
    assert told(shop.run()) == [("unchanged", "")]
    assert shop.docker.built == ["greeting"]


def test_changed_file(shop: Shop) -> None:
    shop.run()
    shop.change("text", "hallo\n")
    assert told(shop.run()) == [("built", "text changed")]


def test_new_and_removed_file(shop: Shop) -> None:
    shop.change("old", "1")
    shop.run()
    (shop.packages / "greeting" / "old").unlink()
    shop.change("new", "1")
    assert told(shop.run()) == [("built", "new is new, old is gone")]


def test_program_bit(shop: Shop) -> None:
    shop.run()
    (shop.packages / "greeting" / "text").chmod(0o755)
    assert told(shop.run()) == [("built", "text changed")]


def test_another_base_image(shop: Shop) -> None:
    shop.run()
    shop.docker.base_id = "sha256:2"
    ((how, reason),) = told(shop.run())
    assert how == "built"
    assert reason.startswith("builder image twine/builder:")


def test_another_builder(shop: Shop) -> None:
    shop.run()
    (shop.packages / "builder" / "Dockerfile").write_text("FROM base\nRUN true\n")
    assert shop.run()[0].reason.startswith("builder image twine/builder:")


def test_another_version_and_back(shop: Shop) -> None:
    """The older deb goes from the folder and comes back from the cache."""
    shop.run()
    assert told(shop.run({"greeting": "1.1"})) == [("built", "version 1.0-1~deb12 → 1.1-1~deb12")]
    assert shop.debs() == ["greeting_1.1-1~deb12_all.deb"]
    assert told(shop.run()) == [("cached", "version 1.1-1~deb12 → 1.0-1~deb12")]
    assert shop.debs() == ["greeting_1.0-1~deb12_all.deb"]


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (Path.unlink, "greeting_1.0-1~deb12_all.deb is gone"),
        (lambda path: path.write_bytes(b"cut"), "greeting_1.0-1~deb12_all.deb is not the file that was built"),
    ],
)
def test_harmed_deb_comes_back(shop: Shop, harm: object, reason: str) -> None:
    shop.run()
    assert callable(harm)
    harm(shop.output / "greeting_1.0-1~deb12_all.deb")
    assert told(shop.run()) == [("cached", reason)]
    assert told(shop.run()) == [("unchanged", "")]


def test_cut_off_records_are_made_again(shop: Shop) -> None:
    shop.run()
    (shop.output / ".records.json").write_text('{"greeting": ')
    assert told(shop.run()) == [("cached", "never built here")]


def second(shop: Shop) -> None:
    """Add another package, `welcome`."""
    (shop.packages / "welcome" / "debian").mkdir(parents=True)
    for path in (shop.packages / "greeting").rglob("*"):
        if path.is_file():
            target = shop.packages / "welcome" / path.relative_to(shop.packages / "greeting")
            target.write_text(path.read_text().replace("greeting", "welcome"))


def test_one_that_breaks_lets_the_others_end(shop: Shop) -> None:
    second(shop)
    shop.docker.breaks = "welcome"
    with pytest.raises(PackageError, match=r"(?s)Failed to build 1 of 2 packages: Failed to build welcome: .*dh: error.*Read .*work/welcome/log"):
        shop.run()
    assert shop.debs() == ["greeting_1.0-1~deb12_all.deb"]
    shop.docker.breaks = ""
    assert told(shop.run()) == [("unchanged", ""), ("built", "never built here")]


def test_only_the_named_one(shop: Shop) -> None:
    second(shop)
    shop.run()
    shop.change("text", "hallo\n")
    assert told(shop.run(names=["welcome"])) == [("unchanged", "")]
    assert len(shop.debs()) == 2


def test_package_without_a_definition_goes(shop: Shop) -> None:
    second(shop)
    shop.run()
    (shop.packages / "welcome" / "package.yml").unlink()
    shop.run()
    assert shop.debs() == ["greeting_1.0-1~deb12_all.deb"]
    assert [entry["name"] for entry in json.loads((shop.output / "packages.json").read_text())] == ["greeting"]


def test_old_builds_leave_the_cache(shop: Shop) -> None:
    for number in range(7):
        shop.change("text", f"{number}\n")
        shop.run()
    assert len(list((shop.output / "cache").iterdir())) == 4


def test_many_changes_are_counted() -> None:
    before = {f"file {number}": "1" for number in range(6)}
    assert explain(before, dict.fromkeys(before, "2")) == "0 changed, 1 changed, 2 changed, 3 changed and 2 more"


def test_epoch_is_the_changelogs() -> None:
    assert changelog_epoch(" -- A <a@example.org>  Mon, 24 Nov 2025 09:00:00 +0000\n") == 1763974800
    with pytest.raises(PackageError, match="no entry is signed"):
        changelog_epoch("greeting (1.0) bookworm; urgency=medium\n")
