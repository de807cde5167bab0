"""Files that belong together: all or none, by a rename, and never seen half or by strangers."""

from __future__ import annotations

import grp
import os
import pwd
import resource
import shlex
import stat
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.twine.platform.plugins.module_utils._files import FilesError, Folder, Link, Wanted, write

ME, MINE = pwd.getpwuid(os.getuid()).pw_name, grp.getgrgid(os.getgid()).gr_name
ONE = Wanted(Path("/nowhere"), b"one\n", ME, MINE, "0640")


def run(command: str) -> tuple[int, str, str]:
    done = subprocess.run(shlex.split(command), capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def refused(*wanted: Wanted, check: bool = False) -> str:
    with pytest.raises(FilesError) as failure:
        write(wanted, run, check)
    assert "\n" not in str(failure.value)
    return str(failure.value)


def about(path: Path) -> tuple[str, int]:
    return path.read_text(), stat.S_IMODE(path.stat().st_mode)


def test_a_file_and_its_folders_are_made_once(tmp_path: Path) -> None:
    one = replace(ONE, path=tmp_path / "a" / "b" / "one")
    old = os.umask(0o077)
    try:
        first, again = write([one], run), write([one], run)
    finally:
        os.umask(old)

    assert (len(first), again) == (1, [])
    assert about(one.path) == ("one\n", 0o640)
    assert [stat.S_IMODE(folder.stat().st_mode) for folder in (tmp_path / "a", tmp_path / "a" / "b")] == [0o755, 0o755]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_text("two\n"),
        lambda path: path.chmod(0o644),
        lambda path: path.unlink(),
    ],
    ids=["content", "mode", "away"],
)
def test_what_is_otherwise_is_put_right(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    one = replace(ONE, path=tmp_path / "one")
    write([one], run)
    spoil(one.path)

    assert [found["after_header"] for found in write([one], run, check=True)] == [str(one.path)]
    assert write([one], run) and not write([one], run)
    assert about(one.path) == ("one\n", 0o640)


@pytest.mark.parametrize("others", [(1, 0), (0, 1)], ids=["user", "group"])
def test_what_belongs_to_somebody_else_does_not_stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, others: tuple[int, int]) -> None:
    one = replace(ONE, path=tmp_path / "one")
    write([one], run)
    monkeypatch.setattr(Wanted, "owners", lambda _one: (os.getuid() + others[0], os.getgid() + others[1]))

    assert len(write([one], run, check=True)) == 1


def test_a_link_is_replaced_and_what_it_points_to_stays(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("one\n")
    (tmp_path / "one").symlink_to("other")
    write([replace(ONE, path=tmp_path / "one", content=b"two\n")], run)

    assert ((tmp_path / "one").is_symlink(), (tmp_path / "one").read_text(), (tmp_path / "other").read_text()) == (False, "two\n", "one\n")


def test_check_writes_nothing_and_needs_no_owner_of_a_file_to_come(tmp_path: Path) -> None:
    one = replace(ONE, path=tmp_path / "a" / "one", owner="somebody-to-come")

    assert write([one], run, check=True) == [
        {"before_header": str(one.path), "after_header": str(one.path), "before": "", "after": "one\n"},
    ]
    assert list(tmp_path.iterdir()) == []


def test_a_difference_of_mode_alone_shows_no_content(tmp_path: Path) -> None:
    one = replace(ONE, path=tmp_path / "one")
    write([one], run)
    one.path.chmod(0o600)

    assert [(found["before"], found["after"]) for found in write([one], run, check=True)] == [
        (f"mode 0600, uid {os.getuid()}, gid {os.getgid()}\n", f"mode 0640, owner {ME}, group {MINE}\n"),
    ]


def test_one_that_its_command_refuses_keeps_all_as_they_were(tmp_path: Path) -> None:
    good, bad = replace(ONE, path=tmp_path / "new" / "good"), replace(ONE, path=tmp_path / "bad", validate="grep two %s")
    (tmp_path / "bad").write_text("two\n")

    assert "`grep two %s` refuses it" in refused(good, bad)
    assert ((tmp_path / "bad").read_text(), list((tmp_path / "new").iterdir())) == ("two\n", [])
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["bad"]


def test_what_a_command_says_is_told_by_the_files_own_name(tmp_path: Path) -> None:
    one = replace(ONE, path=tmp_path / "one", validate="ls -d %s/none")

    assert f"cannot access '{one.path}/none': Not a directory. Correct" in refused(one)


def test_a_command_sees_mode_and_content(tmp_path: Path) -> None:
    one = replace(ONE, path=tmp_path / "o ne", validate='sh -c \'stat -c 0%a "$1" | grep 0640 && grep one "$1"\' sh %s')

    assert write([one], run)


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (replace(ONE, mode="u=rw"), "is no octal number that begins with 0. Write it as"),
        (replace(ONE, mode="420"), "its mode 420 is no octal number that begins with 0. Write it as"),
        (replace(ONE, mode="0888"), "is no octal number that begins with 0. Write it as"),
        (replace(ONE, owner="nobody-of-that-name"), f"there is no user nobody-of-that-name or no group {MINE}. Install"),
        (replace(ONE, group="no-such-group"), f"there is no user {ME} or no group no-such-group. Install"),
        (replace(ONE, validate="true"), "does not say %s"),
    ],
)
def test_bad_input_is_refused(tmp_path: Path, bad: Wanted, why: str) -> None:
    one = replace(bad, path=tmp_path / "one")

    assert why in refused(one) and refused(one).startswith(f"Failed to write {one.path}: ")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_its_place_is_refused_in_check_mode_too(tmp_path: Path) -> None:
    for check in (False, True):
        assert "it is a folder" in refused(replace(ONE, path=tmp_path), check=check)


def test_no_room_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        said = refused(replace(ONE, path=tmp_path / "a"), replace(ONE, path=tmp_path / "b", content=b"x" * 100_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert said == f"Failed to write {tmp_path / 'b'}: File too large. Give room or the right to write there."
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_taken_is_told_by_its_own_name(tmp_path: Path) -> None:
    first, last = replace(ONE, path=tmp_path / "first"), replace(ONE, path=tmp_path / "last", validate="rm %s")

    assert refused(first, last) == f"Failed to write {last.path}: No such file or directory. Give room or the right to write there."
    assert refused(replace(first, content=b"two\n", validate="rm %s"), replace(last, validate="")).startswith(f"Failed to write {first.path}: ")


def test_a_link_that_leads_nowhere_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "one").symlink_to("nowhere")

    assert len(write([replace(ONE, path=tmp_path / "one")], run)) == 1


def test_a_link_is_made_turned_and_replaced(tmp_path: Path) -> None:
    link = Link(tmp_path / "units" / "a.timer", b"/dev/null")

    assert (len(write([link], run)), write([link], run), str(link.path.readlink())) == (1, [], "/dev/null")
    turned = Link(link.path, b"elsewhere")
    assert [(found["before"], found["after"]) for found in write([turned], run, check=True)] == [("/dev/null", "elsewhere")]
    link.path.unlink()
    link.path.write_text("a unit\n")
    assert (len(write([turned], run)), str(link.path.readlink())) == (1, "elsewhere")
    assert [path.name for path in link.path.parent.iterdir()] == ["a.timer"]


def test_a_folder_is_made_before_the_files_in_it(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "secrets", b"", ME, MINE, "0750")
    inside = replace(ONE, path=folder.path / "one")

    assert [found["after"] for found in write([inside, folder], run)] == ["one\n", f"a folder of mode 0750, owner {ME}, group {MINE}\n"]
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o750
    assert write([inside, folder], run) == []
    folder.path.chmod(0o777)
    assert [found["before"] for found in write([inside, folder], run)] == [f"mode 0777, uid {os.getuid()}, gid {os.getgid()}\n"]
    assert (stat.S_IMODE(folder.path.stat().st_mode), about(inside.path)) == (0o750, ("one\n", 0o640))


def test_a_folder_stays_where_a_file_is_refused_and_is_not_made_in_check_mode(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "run", b"", ME, MINE)

    assert len(write([folder], run, check=True)) == 1 and not folder.path.exists()
    refused(folder, replace(ONE, path=tmp_path / "bad", validate="grep two %s"))
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize("check", [False, True])
def test_what_is_no_folder_and_what_is_one_are_not_replaced(tmp_path: Path, check: bool) -> None:
    (tmp_path / "file").write_text("")

    assert "it is no folder. Remove what is there" in refused(Folder(tmp_path / "file", b"", ME, MINE), check=check)
    assert "it is a folder. Remove the folder" in refused(Link(tmp_path, b"/dev/null"), check=check)


def test_a_link_to_nowhere_is_refused(tmp_path: Path) -> None:
    assert "it is a link to nowhere. Say where it points." in refused(Link(tmp_path / "one", b""))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("bad", [{"owner": "nobody-of-that-name"}, {"mode": "755"}])
def test_a_folder_that_is_ill_described_is_not_made(tmp_path: Path, bad: dict[str, str]) -> None:
    refused(replace(Folder(tmp_path / "new", b"", ME, MINE), **bad))
    assert list(tmp_path.iterdir()) == []


def test_owners_may_be_numbers_without_an_account(tmp_path: Path) -> None:
    assert replace(ONE, owner="4321", group="1234").owners() == (4321, 1234)
