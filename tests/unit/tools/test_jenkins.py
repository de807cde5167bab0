from __future__ import annotations

import json
from pathlib import Path

import pytest

from tools import jenkins, work


def test_the_real_thing_is_run_as_the_unit_runs_it() -> None:
    unit = jenkins.rendered("etc/systemd/system/jenkins.service")
    words = jenkins.command(unit, Path("/here"), "image")

    assert words[:3] == ["docker", "run", "--detach"] and words[-1] == "image"
    assert "/here/casc:/etc/jenkins/casc:ro" in words and "/here/secrets/controller:/run/secrets:ro" in words
    assert "/here/builds:/var/jenkins_builds" in words and "127.0.0.1::8080" in words
    assert words[words.index("--cap-drop") + 1] == "ALL"


def test_the_list_that_the_plugin_manager_ends_with_is_taken() -> None:
    listed = "All requested plugins:\ngit 1\n\nResulting plugin list:\nstructs 362.va_b_695\ngit 5.10.1\n\nDone\n"
    assert jenkins.resulting(listed) == ["git:5.10.1", "structs:362.va_b_695"]


@pytest.mark.parametrize("listed", ["", "Resulting plugin list:\n", "no update centre\n"])
def test_no_list_pins_nothing(listed: str) -> None:
    with pytest.raises(work.Failed, match="gave no list"):
        jenkins.resulting(listed)


def test_without_a_registry_it_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(jenkins, "pull", lambda _image: "dial tcp: i/o timeout")

    assert jenkins.main([]) == 0
    assert capsys.readouterr().out == "skipped: no image registry (dial tcp: i/o timeout)\n"
    assert jenkins.main(["plugins"]) == 1
    assert "can't be pulled (dial tcp: i/o timeout)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        ({"/login": "page", "/api/json?tree": "all"}, []),
        ({"/login": "page", "/api/json?tree": '{"jobs": [{"name": "packages"}], "numExecutors": 0}'}, ["it has the jobs packages, not "]),
        ({"/login": "page", "/api/json?tree": '{"jobs": [], "numExecutors": 2}'}, ["it has the jobs none", "its controller has executors"]),
        ({"/login": "page", "/api/json?tree": "all", "/api/json": "{}"}, ["a stranger reads its jobs"]),
    ],
)
def test_what_is_wrong_with_it_is_told(answers: dict[str, str], told: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    whole = json.dumps({"jobs": [{"name": name} for name in jenkins.jobs()], "numExecutors": 0})

    def ask(url: str, headers: dict[str, str] | None = None) -> str:
        key = "/login" if url.endswith("/login") else "/api/json?tree" if headers else "/api/json"
        return whole if answers.get(key) == "all" else answers.get(key, "")

    monkeypatch.setattr(jenkins, "_ask", ask)

    found = jenkins.look("http://127.0.0.1:1", "password")
    assert len(found) == len(told) and all(problem.startswith(start) for problem, start in zip(found, told, strict=True))
