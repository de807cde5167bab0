"""Processes start by the module's own way, joined with files where they say much, and end in time."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.twine.platform.plugins.module_utils._packages.errors import PackageError
from ansible_collections.twine.platform.plugins.module_utils._packages.runner import ModuleRunner, Result


def test_text_goes_in_and_both_streams_come_out(run: ModuleRunner) -> None:
    result = run(["sh", "-c", "cat; echo wrong >&2; exit 3"], data=b"right")

    assert (result.code, result.out, result.err) == (3, "right", "wrong\n")


def test_files_go_in_and_out(run: ModuleRunner, tmp_path: Path) -> None:
    source, sink, log = tmp_path / "it's in", tmp_path / "out", tmp_path / "log"
    source.write_bytes(b"\x00\xff")
    result = run(["sh", "-c", "cat; echo said >&2"], source=source, sink=sink, log=log)

    assert sink.read_bytes() == b"\x00\xff"
    assert (result.out, result.err) == ("", "said\n")


def test_nothing_is_read_from_the_module_itself(run: ModuleRunner) -> None:
    assert run(["cat"]).out == ""


def test_arguments_are_taken_as_written(run: ModuleRunner) -> None:
    assert run(["printf", "%s", "$HOME ~ '"]).out == "$HOME ~ '"


def test_an_environment_replaces_the_whole_one(run: ModuleRunner) -> None:
    assert run(["/usr/bin/env"], environment={"ONE": "a b"}).out == "ONE=a b\n"


def test_one_that_ends_before_it_has_read_all_is_no_error(run: ModuleRunner) -> None:
    assert run(["sh", "-c", "echo enough; exit 3"], data=b"long " * 100_000) == Result(3, "enough\n", "")


def test_what_is_not_text_is_no_error(run: ModuleRunner) -> None:
    assert run(["printf", r"\377"]).out == "\N{REPLACEMENT CHARACTER}"


def test_who_takes_too_long_is_ended(run: ModuleRunner) -> None:
    with pytest.raises(PackageError, match=r"Failed to run sleep: it did not end within 0 s"):
        run(["sleep", "60"], seconds=0.2)
