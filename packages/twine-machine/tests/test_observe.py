"""The rest of a boot's record, against a server on loopback."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from twine_machine import observe
from twine_machine.errors import MachineError
from twine_machine.read_ahead import read_ahead
from twine_machine.stages import Stages

SHOWN = """Id=twine.service
ActiveState=active
Result=success
ActiveEnterTimestampMonotonic=105500000

Id=nginx.service
ActiveState=failed
Result=exit-code
ActiveEnterTimestampMonotonic=0

Id=never.service
ActiveState=inactive
Result=success
ActiveEnterTimestampMonotonic=
"""


class Application:
    """Ready at the third question; its statuses and caches can be changed."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.ready_at = 3
        self.first = 200
        self.caches: object = {"templates": {"hits": 3, "misses": 0}, "fragments": {"hits": 0, "misses": 1}}
        application = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                application.asked.append(self.path)
                ready = application.asked.count("/ready") >= application.ready_at
                status = application.first if self.path == "/login" else 200 if ready else 503
                body = json.dumps({"caches": application.caches}).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_arguments: object) -> None:
                """Be silent."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def probe(self) -> dict[str, object]:
        return {"port": self.server.server_address[1], "ready": "/ready", "first": "/login"}


@pytest.fixture
def application() -> Iterator[Application]:
    application = Application()
    threading.Thread(target=application.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield application
    application.server.shutdown()
    application.server.server_close()


@pytest.fixture
def stages(tmp_path: Path) -> Stages:
    return Stages(tmp_path / "boot.json")


def saved(stages: Stages, tmp_path: Path) -> dict[str, object]:
    stages.save()
    record: dict[str, object] = json.loads((tmp_path / "boot.json").read_text())
    return record


def test_ready_first_answer_and_hit_rate(application: Application, stages: Stages, tmp_path: Path) -> None:
    assert observe.observe(stages, application.probe) == "ready and answering, 75% out of warm caches"
    record = saved(stages, tmp_path)

    assert application.asked == ["/ready"] * 3 + ["/login", "/ready"]
    assert record["ready"] is True and record["hit_rate"] == 0.75
    reached = record["stages"]
    assert isinstance(reached, dict) and reached["ready"] <= reached["first_good_answer"]


def test_never_ready_is_recorded(application: Application, stages: Stages, tmp_path: Path) -> None:
    application.ready_at = 1000
    with pytest.raises(MachineError, match=r"become ready within 0\.3 s"):
        observe.observe(stages, application.probe, 0.3)

    record = saved(stages, tmp_path)
    assert record["ready"] is False and "first_good_answer" not in str(record)


def test_a_bad_first_answer_is_none(application: Application, stages: Stages, tmp_path: Path) -> None:
    application.first = 500
    with pytest.raises(MachineError, match="/login gives 500"):
        observe.observe(stages, application.probe)
    assert "first_good_answer" not in str(saved(stages, tmp_path))


@pytest.mark.parametrize("body", [b"", b"[]", b'{"status": "ready"}', b'{"caches": {"a": 1}}', b'{"caches": {"a": {"hits": 0, "misses": 0}}}'])
def test_an_application_without_counts_has_no_rate(body: bytes) -> None:
    assert observe.hit_rate(body) is None


def test_units_are_told_by_their_second_of_the_boot() -> None:
    assert observe.units(SHOWN, 100.0) == {
        "nginx.service": {"state": "failed", "result": "exit-code"},
        "twine.service": {"state": "active", "seconds": 5.5},
    }


def test_a_record_is_shown_in_the_order_of_time() -> None:
    record = {"stages": {"ready": 9.0, "network": 1.5}, "units": observe.units(SHOWN, 100.0), "outcome": "configured", "hit_rate": 1.0}
    assert list(observe.table(record)) == [
        "    1.500  network",
        "    5.500  twine.service active",
        "    9.000  ready",
        "outcome: configured",
        "hit rate: 1.0",
    ]


def test_a_console_tells_the_record_in_one_line() -> None:
    record = {"format": 1, "stages": {"ready": 9.0}, "units": observe.units(SHOWN, 100.0)}
    head, _blank, told = observe.told(record).partition(" boot record ")

    assert head == "machine-config:"
    assert json.loads(told) == {**record, "units": {"nginx.service": {"state": "failed", "result": "exit-code"}}}


def test_nobody_answers(stages: Stages) -> None:
    assert observe.get(9, "/ready") == (0, b"")


def test_without_a_probe_nothing_is_asked(stages: Stages, tmp_path: Path) -> None:
    assert observe.probe_of(tmp_path / "none") == {}
    assert "nothing is asked" in observe.observe(stages, {})


@pytest.mark.parametrize("text", ["{", "[]", '{"port": 80}'])
def test_a_wrong_probe_is_said(tmp_path: Path, text: str) -> None:
    (tmp_path / "probe.json").write_text(text)
    with pytest.raises(MachineError, match="needs port, ready and first"):
        observe.probe_of(tmp_path / "probe.json")


def test_what_the_record_names_is_read_ahead(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("12345")
    (tmp_path / "warm.json").write_text(json.dumps({"files": [str(tmp_path / "a"), str(tmp_path / "gone")]}))
    assert read_ahead(tmp_path / "warm.json") == (1, 5)


@pytest.mark.parametrize("text", ["{", "{}", "[]"])
def test_a_wrong_warm_record_is_said(tmp_path: Path, text: str) -> None:
    (tmp_path / "warm.json").write_text(text)
    with pytest.raises(MachineError, match="no warm record"):
        read_ahead(tmp_path / "warm.json")
