"""One writer at a time, over processes; who waits knows for whom."""

from __future__ import annotations

import select
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from ansible_collections.twine.platform.plugins.module_utils._packages.errors import PackageError
from ansible_collections.twine.platform.plugins.module_utils._packages.lock import writer

HOLDER = """
import sys
from pathlib import Path
from ansible_collections.twine.platform.plugins.module_utils._packages.lock import writer
with writer(Path(sys.argv[1]), "hold it", 60, "ada@laptop"):
    print("held", flush=True)
    sys.stdin.read()
"""
ADDER = """
import sys
from pathlib import Path
from ansible_collections.twine.platform.plugins.module_utils._packages.lock import writer
count = Path(sys.argv[1] + ".count")
for _turn in range(25):
    with writer(Path(sys.argv[1]), "count", 60):
        count.write_text(str(int(count.read_text()) + 1))
"""


def start(script: str, lock: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", textwrap.dedent(script), str(lock)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_free_lock_is_had_at_once(tmp_path: Path) -> None:
    with writer(tmp_path / "lock", "try", 1) as turn:
        assert turn.for_whom == ""


def test_a_wait_that_is_too_long_names_the_holder(tmp_path: Path) -> None:
    with start(HOLDER, tmp_path / "lock") as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with (
            pytest.raises(PackageError, match=rf"Failed to get a turn to try: after 0 s process {holder.pid} \(hold it\) of ada@laptop has"),
            writer(tmp_path / "lock", "try", 0.2),
        ):
            pass
        holder.kill()


def test_a_killed_holder_holds_no_longer(tmp_path: Path) -> None:
    with start(HOLDER, tmp_path / "lock") as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        holder.kill()
        holder.wait()
        with writer(tmp_path / "lock", "try", 5):
            pass


def test_four_writers_lose_nothing(tmp_path: Path) -> None:
    (tmp_path / "lock.count").write_text("0")
    writers = [start(ADDER, tmp_path / "lock") for _turn in range(4)]
    for process in writers:
        process.communicate()
    assert [process.returncode for process in writers] == [0] * 4
    assert (tmp_path / "lock.count").read_text() == "100"


def queued(lock: Path) -> list[int]:
    """The processes that have a place, in its order."""
    return [int(path.name.rpartition("-")[2]) for path in sorted(lock.with_name("lock.queue").iterdir())]


def test_who_comes_first_goes_first(tmp_path: Path) -> None:
    """A writer that died in the queue is not waited for."""
    lock = tmp_path / "lock"
    (tmp_path / "lock.queue").mkdir()
    (tmp_path / "lock.queue" / "0-1").touch()
    came = []
    for _writer in range(3):
        came.append(start(HOLDER, lock))
        # The next one comes when this one stands in the queue.
        while came[-1].pid not in queued(lock):
            assert came[-1].poll() is None
            time.sleep(0.01)
    for number, process in enumerate(came):
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        assert queued(lock) == [one.pid for one in came[number:]]
        # Whoever comes later has not said a word.
        assert select.select([one.stdout for one in came[number + 1 :]], [], [], 0)[0] == []
        process.communicate()
    assert queued(lock) == []
