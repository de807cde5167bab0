"""A program in Packer's place is ended in an orderly way, and its lock lives as long as it."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.twine.platform.plugins.module_utils._images.building import Builds, StoppedError, alone, fresh

# Begins, and when it is interrupted, cleans up.
ORDERLY = """
import pathlib, sys, time
place = pathlib.Path(sys.argv[1])
try:
    (place / "begun").touch()
    print("begun", flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    (place / "cleaned").touch()
    sys.exit(1)
"""


def start(command: list[str], *, pass_fds: list[int], before_communicate_callback: Callable[[Any], None]) -> tuple[int, str, str]:
    """As a module's run_command."""
    with subprocess.Popen(command, pass_fds=pass_fds, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        before_communicate_callback(process)
        out, err = process.communicate(timeout=30)
    return process.returncode, out, err


def seen(path: Path) -> bool:
    ends = time.monotonic() + 20
    while not path.exists() and time.monotonic() < ends:
        time.sleep(0.02)
    return path.exists()


def never() -> None:
    raise AssertionError("it had to wait")


def test_output_goes_to_the_log_and_the_code_is_told(tmp_path: Path) -> None:
    with alone(tmp_path / "lock", never) as lock:
        code = Builds().run(start, ["sh", "-c", "echo out; echo err >&2; exit 3"], tmp_path / "log", lock.fileno())
    assert (code, (tmp_path / "log").read_text()) == (3, "out\nerr\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_lets_it_clean_up(tmp_path: Path, number: int) -> None:
    builds = Builds()
    teller = threading.Thread(target=lambda: seen(tmp_path / "begun") and os.kill(os.getpid(), number))
    with alone(tmp_path / "lock", never) as lock, builds.stoppable():
        teller.start()
        with pytest.raises(StoppedError, match=signal.Signals(number).name):
            builds.run(start, [sys.executable, "-c", ORDERLY, str(tmp_path)], tmp_path / "log", lock.fileno())
    teller.join()
    assert (tmp_path / "cleaned").exists()


def test_after_a_signal_nothing_is_started(tmp_path: Path) -> None:
    builds = Builds(stopped="SIGINT")
    with alone(tmp_path / "lock", never) as lock, pytest.raises(StoppedError):
        builds.run(start, [sys.executable, "-c", ORDERLY, str(tmp_path)], tmp_path / "log", lock.fileno())
    assert not (tmp_path / "begun").exists()


def test_the_lock_outlives_a_holder_that_was_killed(tmp_path: Path) -> None:
    lock, go = tmp_path / "lock", tmp_path / "go"
    orphan = f"import os, time\nwhile not os.path.exists({str(go)!r}): time.sleep(0.02)"
    holder = (
        "import fcntl, subprocess, sys, time\n"
        f"file = open({str(lock)!r}, 'a+'); fcntl.flock(file, fcntl.LOCK_EX)\n"
        f"subprocess.Popen([sys.executable, '-c', {orphan!r}], pass_fds=[file.fileno()])\n"
        f"open({str(tmp_path / 'begun')!r}, 'w').close(); time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", holder]) as process:
        assert seen(tmp_path / "begun")
        process.kill()
    asked: list[bool] = []

    def waiting() -> None:
        asked.append(True)
        go.touch()

    with alone(lock, waiting):
        assert asked


def test_who_waits_can_be_told_to_end(tmp_path: Path) -> None:
    with (tmp_path / "lock").open("a+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(StoppedError), alone(tmp_path / "lock", Builds(stopped="SIGTERM").check):
            pass


def test_what_a_killed_one_left_is_gone(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work/left").touch()
    with fresh(tmp_path / "work"):
        assert list((tmp_path / "work").iterdir()) == []
        (tmp_path / "work/mine").touch()
    assert not (tmp_path / "work").exists()


def test_somebody_elses_folder_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "work").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError), fresh(tmp_path / "work"):
        pass
    assert (tmp_path / "elsewhere").exists()
