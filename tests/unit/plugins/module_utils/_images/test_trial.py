"""What consoles tell of a boot, which of several boots counts, and which records are kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.twine.platform.plugins.module_utils._images.trial import Records, TrialError, await_told, judge, summary, told, try_image


def boot(ready: float = 5.0, **facts: Any) -> dict[str, Any]:
    stages = {"started": ready - 1, "ready": ready, "first_good_answer": ready + 0.1}
    return {"format": 1, "container": True, "began_at": "2026-11-25T10:00:00Z", "outcome": "configured", "ready": True, "stages": stages, **facts}


def line(record: dict[str, Any], before: str = "") -> str:
    return f"{before}machine-config: boot record {json.dumps(record)}\r\n"


@pytest.mark.parametrize(
    ("console", "ready"),
    [
        ("", None),
        ("Debian GNU/Linux 12\nlogin: ", None),
        (line(boot(4)), 4),
        (line(boot(4), "[    9.81] machine-config[311]: "), 4),
        (line(boot(4)) + "more\n" + line(boot(6)), 6),
        (line(boot(4)) + line(boot(6))[:90] + "}\n", 4),
        (line(boot(4))[:90], None),
    ],
    ids=["nothing", "another console", "a record", "a serial console", "two boots", "one cut off", "only one cut off"],
)
def test_a_console_tells_its_last_whole_record(console: str, ready: float | None) -> None:
    assert told(console).get("stages", {}).get("ready") == ready


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (boot(5), "first_good_answer after 5.1 s, 2026-11-25T10:00:00Z"),
        (boot(5, hit_rate=1.0), "first_good_answer after 5.1 s, 100% out of warm caches, 2026-11-25T10:00:00Z"),
        ({"stages": {}}, "nothing after 0.0 s"),
    ],
)
def test_a_tag_says_how_far_and_how_warm(record: dict[str, Any], said: str) -> None:
    assert summary(record) == said


def test_the_quickest_boot_counts() -> None:
    record, objected = judge([boot(9), boot(5), boot(7)], boot(5))
    assert (record["stages"]["ready"], objected) == (5, [])


@pytest.mark.parametrize(
    ("boots", "before", "words"),
    [
        ([], {}, "no boot record"),
        ([boot(9), boot(8)], boot(5), "it reached ready after 8.0 s, its predecessor after 5.0 s"),
        ([boot(hit_rate=0.5)], {}, "caches were cold"),
        ([boot(outcome="failed", error="no parameter")], {}, "no parameter"),
        ([boot(5), boot(1, units={"nginx.service": {"state": "failed"}}), boot(5)], boot(5), "nginx.service failed"),
        ([boot(5), {"format": 1, "ready": False, "stages": {"started": 1.5}}], {}, "it did not become ready"),
    ],
)
def test_an_image_of_a_bad_boot_is_objected_to(boots: list[dict[str, Any]], before: dict[str, Any], words: str) -> None:
    assert words in "; ".join(judge(boots, before)[1])


def test_a_tolerance_lets_it_through() -> None:
    assert judge([boot(9)], boot(5), tolerance=2.0)[1] == []


def test_the_predecessor_is_the_last_that_was_let_through_of_its_role(tmp_path: Path) -> None:
    records = Records(tmp_path / "boots")
    for image, role, hour in (("ami-b", "twine", 8), ("ami-a", "twine", 9), ("ami-c", "elasticsearch", 10), ("ami-d", "twine", 11)):
        records.keep(role, image, boot(hour, began_at=f"2026-11-25T{hour:02}:00:00Z"))

    assert records.before("twine", "ami-d") == records.of("ami-a")
    assert records.before("twine", "ami-new") == records.of("ami-d")
    assert records.before("bastion", "ami-e") == records.of("ami-e") == {}
    assert sorted(path.name for path in (tmp_path / "boots").iterdir()) == ["ami-a.json", "ami-b.json", "ami-c.json", "ami-d.json"]


def test_a_machine_that_has_not_told_yet_is_waited_for() -> None:
    answers = [{"i-1": line(boot(5)), "i-2": ""}, {"i-1": line(boot(5)), "i-2": line(boot(6))}]
    assert [record["stages"]["ready"] for record in await_told(lambda: answers.pop(0), 60, pause=0)] == [5, 6]
    assert not answers


def test_a_machine_that_never_tells_is_waited_for_no_longer_than_said() -> None:
    assert await_told(lambda: {"i-1": line(boot(5)), "i-2": ""}, 0, pause=0) == [boot(5)]
    assert await_told(dict, 60) == []


def test_an_image_is_tried_once(tmp_path: Path) -> None:
    records = Records(tmp_path)
    good = try_image("twine", "ami-a", lambda: {"i-1": line(boot(5))}, records)
    records.keep("twine", "ami-a", good)
    records.keep("twine", "ami-b", boot(1, began_at="2026-11-25T11:00:00Z"))

    def nobody() -> dict[str, str]:
        raise AssertionError

    assert try_image("twine", "ami-a", nobody, records) == good
    with pytest.raises(TrialError, match=r"Failed to promote image twine ami-c: it reached .*5\.0 s, its predecessor after 1\.0 s.*1 of its boots"):
        try_image("twine", "ami-c", lambda: {"i-1": line(boot(5))}, records)
    with pytest.raises(TrialError, match=r"ami-d: it has no boot record"):
        try_image("twine", "ami-d", dict, records)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"role": "twine", "image": "ami-a", "record": 1}'])
def test_a_broken_record_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "ami-a.json").write_text(text)
    for ask in (lambda: Records(tmp_path).of("ami-a"), lambda: Records(tmp_path).before("twine", "ami-b")):
        with pytest.raises(TrialError, match=r"ami-a\.json: it lacks role.*Remove it"):
            ask()
