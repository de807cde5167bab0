"""The load client believes nothing but the answer: against a real server on loopback."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

from demo.load import Load, Sample, Stream, User, quantile, summary

USER = User("client-1", "staff-1@client-1.example", "twine_session=x", "known-1")


class Application(BaseHTTPRequestHandler):
    """Answers as the application does; ``faults`` says what it does wrong, by path."""

    faults: ClassVar[dict[str, str]] = {}
    connections = 0

    def setup(self) -> None:
        super().setup()
        type(self).connections += 1

    def log_message(self, *_words: object) -> None:
        """Keeps the tests' output quiet."""

    def answer(self, status: int, body: str) -> None:
        self.send_response(status)
        self.send_header("X-Twine-Version", "1.0.0")
        if status == 429:
            self.send_header("Retry-After", "1")
        self.send_header("Content-Length", str(len(body.encode())))
        self.end_headers()
        self.wfile.write(body.encode())

    def do_POST(self) -> None:
        payload = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        fault = self.faults.get("file", "")
        if fault == "busy":
            self.answer(429, "{}")
        elif fault == "other":
            self.answer(201, json.dumps({"reference": "another"}))
        else:
            self.answer(500 if fault == "error" else 201, json.dumps({"reference": payload["reference"]}))

    def do_GET(self) -> None:
        if self.path.startswith("/api/search"):
            fault = self.faults.get("search", "")
            found = [] if fault == "nothing" else [{"reference": "known-1"}]
            self.answer(200, json.dumps({"results": found, "degraded": fault == "degraded"}))
        elif self.path.startswith("/api/claims"):
            self.answer(200, json.dumps({"claims": [] if self.faults.get("list") else [{"reference": "known-1"}]}))
        else:
            self.answer(200, "<html>" if self.faults.get("page") else "<html>Log out</html>")


@pytest.fixture
def server() -> Iterator[str]:
    Application.faults, Application.connections = {}, 0
    served = ThreadingHTTPServer(("127.0.0.1", 0), Application)
    threading.Thread(target=served.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{served.server_address[1]}"
    served.shutdown()


def run(url: str, kind: str, count: int = 5) -> tuple[Load, list[Sample]]:
    with Load(url, "run") as load:
        load.put(Stream("s", [USER], 100.0, {kind: 1.0}))
        deadline = time.monotonic() + 10
        while len(load.samples) < count and time.monotonic() < deadline:
            time.sleep(0.01)
    return load, load.samples


@pytest.mark.parametrize("kind", ["file", "search", "list", "page"])
def test_a_right_answer_is_ok_and_its_release_is_noted(server: str, kind: str) -> None:
    _load, samples = run(server, kind)
    assert len(samples) >= 5
    assert all(sample.ok and sample.version == "1.0.0" and sample.kind == kind for sample in samples)


@pytest.mark.parametrize(
    ("kind", "fault", "why"),
    [
        ("file", "error", "status 500 instead of 201"),
        ("file", "other", "another claim was answered"),
        ("search", "nothing", "the claim was not found"),
        ("search", "degraded", "search is degraded"),
        ("list", "empty", "no claims in the list"),
        ("page", "cut", "the page is cut off"),
    ],
)
def test_a_wrong_answer_fails_and_says_why(server: str, kind: str, fault: str, why: str) -> None:
    Application.faults = {kind: fault}
    _load, samples = run(server, kind)
    assert {(sample.ok, sample.why) for sample in samples} == {(False, why)}


def test_a_polite_refusal_is_told_from_a_failure(server: str) -> None:
    Application.faults = {"file": "busy"}
    load, samples = run(server, "file")
    assert all(sample.deferred and not sample.ok for sample in samples)
    assert not load.acknowledged


def test_only_acknowledged_claims_are_remembered(server: str) -> None:
    load, samples = run(server, "file")
    assert len(load.acknowledged) == len(samples)
    Application.faults = {"file": "error"}
    assert not run(server, "file")[0].acknowledged


def test_every_request_opens_a_connection(server: str) -> None:
    _load, samples = run(server, "list", 8)
    assert Application.connections == len(samples)


def test_a_server_that_is_away_is_a_failure_not_an_exception() -> None:
    _load, samples = run("http://127.0.0.1:9", "list", 1)
    assert samples and not samples[0].ok and samples[0].status == 0 and "Connect" in samples[0].why


def test_a_summary_counts_what_failed_and_what_was_deferred() -> None:
    rows = [
        Sample(0, 0.1, "c", "file", 201, True, False, "1", ""),
        Sample(0, 0.2, "c", "list", 500, False, False, "1", "status 500 instead of 200"),
        Sample(0, 0.2, "c", "file", 429, False, True, "1", "status 429 instead of 201"),
    ]
    counted = summary(rows)
    assert (counted["requests"], counted["failed"], counted["deferred"], counted["p50_ms"]) == (3, 1, 1, 100.0)
    assert counted["reasons"] == {"status 500 instead of 200": 1}


@pytest.mark.parametrize(("share", "value"), [(0.5, 50), (0.9, 90), (0.99, 99), (1.0, 100)])
def test_a_quantile_is_the_nearest_rank(share: float, value: float) -> None:
    assert quantile(range(1, 101), share) == value


def test_no_values_have_no_quantile() -> None:
    assert quantile([], 0.5) == 0.0
