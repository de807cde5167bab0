"""The floor copies what the roles' machine has more than the base, and says where its end differs."""

from __future__ import annotations

import json

from tests.benchmarks import floor
from tests.benchmarks.machines import in_turns

FILES = {"files": {"/etc/apt/preferences.d/twine": {"role": "common"}, "/etc/nginx/nginx.conf": {"role": "nginx"}}}
BASE = {floor.WANTED: "procps\n", floor.UNITS: "cron.service enabled\n"}
MADE = {
    floor.WANTED: "nginx\nprocps\n",
    floor.UNITS: "apt-daily.timer masked\ncron.service enabled\nnginx.service enabled\n",
    floor.BESIDE: "/etc/machine\n",
    f"cat {floor.RECORD}": json.dumps(FILES),
}


def _machine(answers: dict[str, str]) -> floor.Shell:
    def shell(script: str) -> bytes:
        return (script if script.startswith("tar ") else answers[script]).encode()

    return shell


def test_a_recipe_is_what_the_base_lacks() -> None:
    made = floor.recipe(_machine(BASE), _machine(MADE))
    assert (made.packages, made.units) == (("nginx",), ("nginx.service",))
    assert b"/etc/apt/preferences.d/twine" in made.early
    assert b"nginx.conf" not in made.early
    assert b"/etc/nginx/nginx.conf /etc/machine /usr/lib/twine-machine/provenance.json" in made.files


def test_another_end_is_named() -> None:
    ours, plain = {"packages": {"nginx 1.22"}, "files": set[str]()}, {"packages": {"nginx 1.18"}, "files": set[str]()}
    assert floor.differences(ours, ours) == []
    assert floor.differences(ours, plain) == ["packages: only the floor has nginx 1.18", "packages: only ours has nginx 1.22"]


def test_turns_alternate() -> None:
    order: list[str] = []

    def act(name: str) -> float:
        order.append(name)
        return float(len(order))

    assert in_turns(3, lambda: act("a"), lambda: act("b")) == [[1.0, 4.0, 5.0], [2.0, 3.0, 6.0]]
    assert order == ["a", "b", "b", "a", "a", "b"]
