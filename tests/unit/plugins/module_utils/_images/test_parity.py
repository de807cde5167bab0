"""Which differences are allowed, how the others are said, and what can't be compared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.twine.platform.plugins.module_utils._images.manifest import Manifest, ManifestError
from ansible_collections.twine.platform.plugins.module_utils._images.parity import allowances, compare
from tests.unit.plugins.module_utils._images import machine

FOLDER = Path(__file__).resolve().parents[5] / "plugins/module_utils/_images"
MOST_ALLOWED = 24
REASON = "written by the machine at every boot"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return machine.make(tmp_path / "root")


def test_a_thing_is_never_compared_with_itself(folder: Path) -> None:
    manifest = machine.manifest(folder, "one")
    with pytest.raises(ManifestError, match="a thing is always equal to itself"):
        compare(manifest, manifest, [])


def test_manifests_of_different_code_are_not_compared(folder: Path) -> None:
    left, right = machine.manifest(folder, "one"), machine.manifest(folder, "two")
    right["build"]["collector"] = "older"
    with pytest.raises(ManifestError, match="different code made their manifests"):
        compare(left, right, [])


def test_the_report_names_both_builds_and_where_to_look(folder: Path) -> None:
    before = machine.manifest(folder, "one")
    (folder / "etc/nginx/nginx.conf").write_text("worker_processes 1;\n")
    lines = compare(before, machine.manifest(folder, "two"), []).lines()
    assert lines[0].startswith("web docker one (bake key k1, base b1) against web docker two (bake key k1, base b1), on one base: 2 packages")
    assert lines[1].startswith("  files /etc/nginx/nginx.conf sha256: ") and lines[1].endswith("← role nginx")
    assert lines[-1] == "  1 differences; 0 more are allowed, by 0 reasons"


def test_files_of_a_package_that_differs_are_counted_behind_it(folder: Path) -> None:
    before = machine.manifest(folder, "one")
    (folder / "usr/lib/libssl.so.3").write_text("newer")
    (folder / "var/lib/dpkg/status").write_text(machine.STATUS.replace("3.0.15-1", "3.0.16-1"))
    lines = [str(difference) for difference in compare(before, machine.manifest(folder, "two"), []).differences]
    assert lines[0] == "packages libssl3 version: 3.0.15-1 | 3.0.16-1   ← and 1 differences in its files"
    assert not any("libssl.so" in line for line in lines)


def test_bases_of_their_own_make_it_independent(folder: Path) -> None:
    one, two = machine.manifest(folder, "one"), machine.manifest(folder, "two")
    assert not compare(one, two, []).independent
    two["build"]["base"] = "b2"
    assert compare(one, two, []).independent


def test_what_they_began_with_is_not_held_against_them(folder: Path) -> None:
    base = machine.manifest(folder, "base")
    (folder / "etc/kernel").write_text("a kernel")
    other = machine.manifest(folder, "a virtual machine")
    (folder / "etc/nginx/nginx.conf").write_text("worker_processes 1;\n")
    found = compare(base, machine.manifest(folder, "baked"), [], [base, other])
    assert [difference.name for difference in found.differences] == ["/etc/nginx/nginx.conf"]
    assert found.lines()[-1].endswith("; 1 more are between what they began with")


def test_what_differed_otherwise_before_is_held_against_them(folder: Path) -> None:
    base = machine.manifest(folder, "base")
    (folder / "etc/nginx/nginx.conf").chmod(0o600)
    other = machine.manifest(folder, "a virtual machine")
    (folder / "etc/nginx/nginx.conf").write_text("worker_processes 1;\n")
    found = compare(base, machine.manifest(folder, "baked"), [], [base, other])
    assert [(difference.name, difference.aspect) for difference in found.differences] == [("/etc/nginx/nginx.conf", "sha256")]


def accounts(folder: Path, **numbers: int) -> Manifest:
    """What lies there, with groups and users of these numbers."""
    lines = "root:x:0:\n" + "".join(f"{name}:x:{number}:\n" for name, number in numbers.items())
    (folder / "etc/group").write_text(lines)
    users = "".join(f"{name}:x:{number}:{number}::/:/bin/false\n" for name, number in numbers.items())
    (folder / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/bash\n" + users)
    return machine.manifest(folder, str(numbers))


@pytest.mark.parametrize(
    ("began", "left", "right", "held"),
    [
        pytest.param({"kvm": 104}, 103, 105, [], id="it follows an account that only one began with"),
        pytest.param({}, 103, 105, ["gid", "gid", "uid"], id="both began alike"),
        pytest.param({"kvm": 104}, 103, 1001, ["gid", "gid", "uid"], id="a number that somebody chose"),
        pytest.param({"kvm": 104}, 0, 105, ["gid", "gid", "uid"], id="root's own"),
        pytest.param({"kvm": 104, "web": 103}, 103, 105, ["gid", "gid", "uid"], id="both began with it"),
    ],
)
def test_a_number_may_follow_from_the_accounts_that_they_began_with(
    folder: Path, began: dict[str, int], left: int, right: int, held: list[str]
) -> None:
    both = {name: number for name, number in began.items() if name == "web"}
    beginnings = [accounts(folder, **both), accounts(folder, **began)]
    found = compare(accounts(folder, web=left), accounts(folder, **{**began, "web": right}), [], beginnings)
    assert sorted(difference.aspect for difference in found.differences if difference.name == "web") == held


def test_ports_that_nobody_asked_for_are_said_not_to_be_compared(folder: Path) -> None:
    comparison = compare(machine.manifest(folder, "one", []), machine.manifest(folder, "two"), [])
    assert comparison.untold == ["ports, since no machine of web docker two (bake key k1, base b1) was started"]


@pytest.mark.parametrize(
    ("entry", "covered"),
    [
        ({"path": "/etc/nginx/nginx.conf"}, True),
        ({"folder": "/etc/nginx"}, True),
        ({"path": "/etc/nginx/nginx.conf", "aspects": ["sha256"]}, True),
        ({"path": "/etc/nginx/nginx.conf", "aspects": ["mode"]}, False),
        ({"path": "/etc/nginx"}, False),
        ({"folder": "/etc/ngin"}, False),
    ],
)
def test_an_allowance_covers_what_it_names(folder: Path, entry: dict[str, Any], covered: bool) -> None:
    before = machine.manifest(folder, "one")
    (folder / "etc/nginx/nginx.conf").write_text("worker_processes 1;\n")
    comparison = compare(before, machine.manifest(folder, "two"), allowances([{**entry, "reason": REASON}], "test"))
    assert (comparison.differences == []) is covered
    assert sum(comparison.allowed.values()) == int(covered)


def test_only_files_can_be_allowed(folder: Path) -> None:
    before = machine.manifest(folder, "one")
    (folder / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    comparison = compare(before, machine.manifest(folder, "two"), allowances([{"path": "/etc/passwd", "reason": REASON}], "test"))
    assert {difference.section for difference in comparison.differences} >= {"users"}


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ("/etc/hosts", "it is no list"),
        (["/etc/hosts"], "entry 1 of test: /etc/hosts has other fields"),
        ([{"path": "/etc/hosts", "reason": REASON, "until": "May"}], "has other fields"),
        ([{"path": "/etc/hosts"}], "/etc/hosts has no reason"),
        ([{"path": "/etc/hosts", "reason": "because"}], "/etc/hosts has no reason"),
        ([{"reason": REASON}], "it needs either path or folder"),
        ([{"path": "/a", "folder": "/b", "reason": REASON}], "it needs either path or folder"),
        ([{"path": "/etc/*.conf", "reason": REASON}], "is not one exact absolute path"),
        ([{"path": "etc/hosts", "reason": REASON}], "is not one exact absolute path"),
        ([{"folder": "/var/log/", "reason": REASON}], "is not one exact absolute path"),
        ([{"folder": "/etc", "reason": REASON}], "folder /etc is too much to allow"),
        ([{"folder": "/", "reason": REASON}], "is not one exact absolute path"),
    ],
)
def test_a_careless_allowance_is_refused(data: object, why: str) -> None:
    with pytest.raises(ManifestError, match=why):
        allowances(data, "test")


def test_the_lists_are_short_and_every_entry_has_its_reason() -> None:
    entries = [entry for path in FOLDER.glob("parity_allowed*.yml") for entry in allowances(yaml.safe_load(path.read_text()), path.name)]
    assert len(entries) <= MOST_ALLOWED
    assert len({entry.path or entry.folder for entry in entries}) == len(entries)
