"""The repository in trouble, on its own machine: whatever happens to publishers, clients see one whole index after the other."""

from __future__ import annotations

from typing import Any

from .conftest import FOLDER, answer, inside, start, updating, words


def test_eight_publishers_at_once_lose_nothing_and_a_client_sees_no_error(machine: None) -> None:
    """All succeed and wait for one another; at each moment a client sees exactly what one of them meant."""
    root = f"{FOLDER}/many"
    key = inside("prepare", root)
    first = inside("publish", root, "base=1.0")
    with updating(root, key) as seen:
        published = [answer(one) for one in [start("publish", root, "base=1.0", f"package-{number}=1.0") for number in range(8)]]
    assert [one for one in published if "error" in one] == []
    assert any(one["waited_for"].startswith("process ") for one in published)
    meant = [first["meant"], *(one["meant"] for one in published)]
    assert len(seen) > 3
    assert [one for one in seen if one not in map(words, meant)] == []
    assert inside("read", root)["seen"] in meant
    # Each of them can be shown again: nothing that was added is lost.
    for one in published:
        again = inside("publish", root, *(label.removesuffix("_all").replace("_", "=") for label in one["meant"]))
        assert again["snapshot"] == one["snapshot"]
        assert inside("read", root)["seen"] == one["meant"]


def assert_whole(seen: list[list[str]], name: str, told: list[dict[str, Any]]) -> None:
    """Every update succeeded, and brought the whole of an index that somebody meant, the same or a later one than the update before."""
    assert len(seen) > len(told)
    assert seen[-1] == words(told[-1]["end"]["seen"])
    assert [one for one in seen if one not in [["base", "1.0", name, f"1.{number}"] for number in range(len(told) + 1)]] == []
    assert seen == sorted(seen)


def test_a_killed_publisher_leaves_a_whole_index_and_the_next_run_repairs(machine: None) -> None:
    """Killed early, in the middle and late: clients see the former packages or the new ones, also while it is repaired."""
    root = f"{FOLDER}/killed"
    key = inside("prepare", root)
    inside("publish", root, "base=1.0", "killed=1.0")
    with updating(root, key) as seen:
        told = inside("kill-at", root, "0", "0.1", "0.2", "0.3", "0.45", "0.6")
    assert any(one["killed"] for one in told)
    for one in told:
        assert one["after"].get("seen") in (one["before"]["seen"], one["again"].get("meant")), one
        assert one["end"].get("seen") == one["again"].get("meant"), one
    assert_whole(seen, "killed", told)


def test_a_full_disk_is_told_and_clients_see_the_former_index(machine: None) -> None:
    """Whether there is no room for anything, or only none for the index."""
    root = f"{FOLDER}/small/disk"
    key = inside("prepare", root)
    assert "error" not in inside("publish", root, "base=1.0", "large=1.0:300")
    with updating(root, key) as seen:
        told = inside("fill", root, "4", "8", "12", "16", "24")
    assert any("no space left on device" in one["refused"].get("error", "") for one in told)
    for one in told:
        assert one["after"] in (one["before"], {"seen": one["refused"].get("meant")}), one
        assert one["end"].get("seen") == one["again"].get("meant"), one
    assert_whole(seen, "large", told)
