"""The journal tells what a killed run was at; the lock lets one run in, and is free when its holder is gone."""

from __future__ import annotations

import multiprocessing
import threading
from pathlib import Path

import pytest

from ansible_collections.twine.platform.plugins.module_utils._aws.errors import Failure
from ansible_collections.twine.platform.plugins.module_utils._stacks.journal import Journal, Lock


def test_a_run_that_ended_leaves_nothing_unfinished(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.begin()
    journal.note("executing", "dev/a")
    journal.end()
    assert Journal(tmp_path).unfinished() == []


def test_a_killed_run_tells_what_it_was_at(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.begin()
    journal.note("executing", "dev/a")
    journal.note("done", "dev/b")
    journal.note("executing", "dev/c")
    with (tmp_path / "journal.jsonl").open("a") as file:
        file.write('{"step": "do')  # cut off in the middle of a line
    assert [(record["stack"], record["step"]) for record in Journal(tmp_path).unfinished()] == [("dev/a", "executing"), ("dev/c", "executing")]


def test_durations_are_kept_and_a_broken_file_is_only_a_lost_estimate(tmp_path: Path) -> None:
    Journal(tmp_path).took("dev/a", "create", 12.345)
    assert Journal(tmp_path).seconds("dev/a", "create") == 12.35 or Journal(tmp_path).seconds("dev/a", "create") == 12.34
    assert Journal(tmp_path).seconds("dev/a", "update") is None
    (tmp_path / "durations.json").write_text("[1")
    assert Journal(tmp_path).seconds("dev/a", "create") is None


def test_the_second_run_is_told_who_is_at_work(tmp_path: Path) -> None:
    told: list[str] = []
    with Lock(tmp_path, 0, told.append, lambda seconds: None), pytest.raises(Failure, match=r"process \d+ on .* is deploying it"):
        Lock(tmp_path, 0, told.append, lambda seconds: None).__enter__()


def test_the_second_run_waits_and_goes_on(tmp_path: Path) -> None:
    told: list[str] = []
    first = Lock(tmp_path, 0, told.append, lambda seconds: None)
    first.__enter__()
    freed = threading.Event()

    def pause(seconds: float) -> None:
        if not freed.is_set():
            first.__exit__(None, None, None)
            freed.set()

    with Lock(tmp_path, 5, told.append, pause):
        assert len(told) == 1 and "waiting:" in told[0]


def _hold(folder: Path, held: multiprocessing.synchronize.Event) -> None:
    with Lock(folder, 0, print, lambda seconds: None):
        held.set()
        threading.Event().wait()


def test_a_killed_holder_frees_the_lock(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    held = context.Event()
    holder = context.Process(target=_hold, args=(tmp_path, held))
    holder.start()
    assert held.wait(30)
    holder.kill()
    holder.join()
    with Lock(tmp_path, 0, print, lambda seconds: None):
        pass


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Failure, match="Set 'state_dir'"):
        Lock(tmp_path / "file" / "x", 0, print, lambda seconds: None).__enter__()
