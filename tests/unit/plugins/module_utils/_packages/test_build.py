"""What is built, and why; here a shell stands in for the container, everything else is real."""

from __future__ import annotations

import json
import tarfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from ansible_collections.twine.platform.plugins.module_utils._packages import definition, runner
from ansible_collections.twine.platform.plugins.module_utils._packages.build import Outcome, Workshop, explain
from ansible_collections.twine.platform.plugins.module_utils._packages.builder import BaseImage, Builder, changelog_epoch
from ansible_collections.twine.platform.plugins.module_utils._packages.errors import PackageError
from ansible_collections.twine.platform.plugins.module_utils._packages.shelf import Shelf
from ansible_collections.twine.platform.plugins.module_utils._packages.smoke import SmokeTests
from ansible_collections.twine.platform.plugins.module_utils._packages.sources import Sources

from .conftest import write_deb


class Docker:
    """Answers like Docker's client: images have ids, a build makes a deb with the package's text in it, a smoke test says what it got."""

    def __init__(self) -> None:
        self.base_id = "sha256:1"
        self.breaks = ""
        self.code = 2
        self.depends: dict[str, str] = {}
        self.built: list[str] = []
        self.tried: list[list[str]] = []
        self.refused = ""
        self.others: list[str] = []
        self.together: threading.Barrier | None = None

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
        with tarfile.open(source) as tar:
            inside = {name: (tar.extractfile(name) or pytest.fail(name)).read() for name in tar.getnames()}
        if "commands" in inside:
            return self._try_out(inside)
        assert sink is not None
        assert log is not None
        return self._build(inside, sink, log)

    def _build(self, inside: Mapping[str, bytes], sink: Path, log: Path) -> runner.Result:
        name, version = inside["debian/changelog"].decode().split(" ")[:2]
        self.built.append(name)
        if self.together:
            self.together.wait(timeout=10)
        if name == self.breaks:
            said = "E: greeting: no-copyright-file\nW: greeting: other\n" if self.code == 3 else "dh: error\n"
            log.write_text(said)
            return runner.Result(self.code, "", said)
        fields = {"Package": name, "Version": version.strip("()"), "Architecture": "all", "Depends": self.depends.get(name, "python3")}
        files = {"usr/share/text": inside["text"], "usr/share/names": ",".join(inside).encode()}
        deb = write_deb(sink.parent / f"{name}_{version.strip('()')}_all.deb", fields, files)
        with tarfile.open(sink, "w") as tar:
            tar.add(deb, deb.name)
            tar.add(deb, deb.name.replace("all.deb", "amd64.buildinfo"))
            for other in self.others:
                tar.add(deb, other)
        deb.unlink()
        return runner.Result(0, "", "")

    def _try_out(self, inside: Mapping[str, bytes]) -> runner.Result:
        self.tried.append(sorted(inside))
        refused = bool(self.refused) and any(name.startswith(f"{self.refused}_") for name in inside)
        return runner.Result(1, f"+ {inside['commands'].decode()}greet: not found", "") if refused else runner.Result(0, "", "")


class Shop:
    """A checkout with a workshop in it."""

    def __init__(self, root: Path, packages: Path) -> None:
        self.docker = Docker()
        self.root = root
        self.packages = packages
        for folder in ("builder", "smoke_test"):
            (packages / folder).mkdir()
            (packages / folder / "Dockerfile").write_text("FROM base\n")
        self.output = root / "build" / "packages"

    def run(self, versions: Mapping[str, str] | None = None, names: Sequence[str] = ()) -> list[Outcome]:
        base, shelf = BaseImage(self.docker, "base"), Shelf(self.output)
        shop = Workshop(
            Builder(self.docker, self.packages / "builder", base),
            Sources(self.root, self.root / "sources", self.docker),
            shelf,
            "deb12",
            SmokeTests(self.docker, self.packages / "smoke_test", base, shelf),
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


def test_what_lies_beside_the_deb(shop: Shop) -> None:
    shop.run()
    assert sorted(path.name for path in shop.output.glob("greeting_*")) == [
        "greeting_1.0-1~deb12_all.cdx.json",
        "greeting_1.0-1~deb12_all.deb",
        "greeting_1.0-1~deb12_amd64.buildinfo",
    ]
    shop.run({"greeting": "1.1"})
    assert not list(shop.output.glob("greeting_1.0-1~deb12_*"))


def test_independent_packages_are_built_side_by_side(shop: Shop) -> None:
    """Each of the two builds waits here until the other has begun."""
    second(shop)
    shop.docker.together = threading.Barrier(2)
    assert told(shop.run()) == [("built", "never built here")] * 2


def test_one_deb_a_package(shop: Shop) -> None:
    shop.docker.others = ["greeting-more_1.0_all.deb"]
    said = r"greeting-more_1.0_all.deb, greeting_1.0-1~deb12_all.deb came out instead of one greeting_\*.deb. Let .*control describe"
    with pytest.raises(PackageError, match=said):
        shop.run()
    assert shop.debs() == []


def test_lintian_refuses(shop: Shop) -> None:
    shop.docker.breaks, shop.docker.code = "greeting", 3
    with pytest.raises(PackageError) as refused:
        shop.run()
    said = str(refused.value)
    assert "Failed to accept greeting: lintian says:\nE: greeting: no-copyright-file. Mend " in said
    assert "W: greeting" not in said
    assert "/greeting/debian, or say in greeting.lintian-overrides there why lintian is wrong" in said
    assert shop.debs() == []


def test_smoke_test_is_not_repeated(shop: Shop) -> None:
    shop.run()
    shop.run()
    assert shop.docker.tried == [["commands", "greeting_1.0-1~deb12_all.deb"]]


def test_smoke_test_of_what_stands_on_another_of_ours(shop: Shop) -> None:
    """It is installed beside the other, and tried again when the other changes."""
    second(shop)
    shop.docker.depends["welcome"] = "greeting (>= 1), python3"
    shop.run()
    both = ["commands", "greeting_1.0-1~deb12_all.deb", "welcome_1.0-1~deb12_all.deb"]
    assert both in shop.docker.tried
    shop.docker.tried.clear()
    shop.change("text", "hallo\n")
    assert told(shop.run()) == [("built", "text changed"), ("unchanged", "")]
    assert sorted(shop.docker.tried) == [["commands", "greeting_1.0-1~deb12_all.deb"], both]


def test_failed_smoke_test_leaves_nothing_half_done(shop: Shop) -> None:
    """The earlier deb stays; the next run neither forgets nor builds again what had only failed its test."""
    shop.run()
    before = (shop.output / "packages.json").read_text()
    shop.change("text", "hallo\n")
    shop.docker.refused = "greeting"
    said = r"(?s)Failed to accept greeting: its smoke test says:.*greet: not found. Mend the package, or smoke_test in .*package.yml"
    with pytest.raises(PackageError, match=said):
        shop.run()
    assert (shop.output / "packages.json").read_text() == before
    assert shop.debs() == ["greeting_1.0-1~deb12_all.deb"]
    shop.docker.refused = ""
    assert told(shop.run()) == [("cached", "text changed")]
    assert (shop.output / "packages.json").read_text() != before


def test_many_changes_are_counted() -> None:
    before = {f"file {number}": "1" for number in range(6)}
    assert explain(before, dict.fromkeys(before, "2")) == "0 changed, 1 changed, 2 changed, 3 changed and 2 more"


def test_epoch_is_the_changelogs() -> None:
    assert changelog_epoch(" -- A <a@example.org>  Mon, 24 Nov 2025 09:00:00 +0000\n") == 1763974800
    with pytest.raises(PackageError, match="no entry is signed"):
        changelog_epoch("greeting (1.0) bookworm; urgency=medium\n")
