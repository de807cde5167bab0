from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tools import checkout, preflight, work


@pytest.fixture(autouse=True)
def _fine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "memory", lambda: 16.0)
    monkeypatch.setattr(preflight, "free_disk", lambda: 100.0)
    monkeypatch.setattr(preflight, "_free", lambda _port: True)


def test_a_good_machine_passes() -> None:
    assert "16 GiB memory" in preflight.ensure()


@pytest.mark.parametrize(
    ("break_it", "sentence"),
    [
        (lambda patch: patch.setattr(preflight, "memory", lambda: 2.0), "Failed to find enough memory: 2.0 GiB, the four accounts take 7"),
        (lambda patch: patch.setattr(preflight, "free_disk", lambda: 1.0), "Failed to find enough disk: 1.0 GiB are free"),
        (lambda patch: patch.setenv("PATH", "/nowhere"), "Failed to find git and make: not on PATH. Install git make."),
    ],
)
def test_what_is_missing_is_said(break_it: Callable[[pytest.MonkeyPatch], None], sentence: str, monkeypatch: pytest.MonkeyPatch) -> None:
    break_it(monkeypatch)

    with pytest.raises(work.Failed, match=sentence.replace(".", r"\.")):
        preflight.ensure()


def test_a_port_that_another_program_has_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.undo()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        monkeypatch.setattr(checkout, "ports", lambda: {"cloud": port, "load_balancers": port, "repository": port})

        with pytest.raises(work.Failed, match=rf"Failed to get port {port}.* another program listens there"):
            preflight.ensure()
