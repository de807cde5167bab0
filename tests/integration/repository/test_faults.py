"""The repository in trouble, on its own machine: whatever happens to publishers, clients see one whole index after the other."""

from __future__ import annotations

from .conftest import FOLDER, MACHINE, answer, docker, inside, start


def test_eight_publishers_at_once_lose_nothing_and_a_client_sees_no_error(machine: None) -> None:
    """All succeed and wait for one another; at each moment a client sees exactly what one of them meant."""
    root = f"{FOLDER}/many"
    inside("prepare", root)
    first = inside("publish", root, "base=1.0")
    client = start("read-on", root)
    published = [answer(one) for one in [start("publish", root, "base=1.0", f"package-{number}=1.0") for number in range(8)]]
    docker("exec", MACHINE, "touch", f"{FOLDER}/stop")
    seen = answer(client)
    assert [one for one in published if "error" in one] == []
    assert any(one["waited_for"].startswith("process ") for one in published)
    meant = [first["meant"], *(one["meant"] for one in published)]
    assert len(seen) > 3
    assert [one for one in seen if one.get("seen") not in meant] == []
    assert inside("read", root)["seen"] in meant
    # Each of them can be shown again: nothing that was added is lost.
    for one in published:
        again = inside("publish", root, *(label.removesuffix("_all").replace("_", "=") for label in one["meant"]))
        assert again["snapshot"] == one["snapshot"]
        assert inside("read", root)["seen"] == one["meant"]


def test_a_killed_publisher_leaves_a_whole_index_and_the_next_run_repairs(machine: None) -> None:
    """Killed early, in the middle and late: clients see the former packages or the new ones."""
    root = f"{FOLDER}/killed"
    inside("prepare", root)
    inside("publish", root, "killed=1.0")
    told = inside("kill-at", root, "0", "0.1", "0.2", "0.3", "0.45", "0.6")
    assert any(one["killed"] for one in told)
    for one in told:
        assert one["after"].get("seen") in (one["before"]["seen"], one["again"].get("meant")), one
        assert one["end"].get("seen") == one["again"].get("meant"), one


def test_a_full_disk_is_told_and_clients_see_the_former_index(machine: None) -> None:
    """Whether there is no room for anything, or only none for the index."""
    root = f"{FOLDER}/small/disk"
    inside("prepare", root)
    assert "error" not in inside("publish", root, "large=1.0:300")
    told = inside("fill", root, "4", "8", "12", "16", "24")
    assert any("no space left on device" in one["refused"].get("error", "") for one in told)
    for one in told:
        assert one["after"] in (one["before"], {"seen": one["refused"].get("meant")}), one
        assert one["end"].get("seen") == one["again"].get("meant"), one
