from __future__ import annotations

import subprocess
from collections.abc import Sequence

import pytest

from tools import remove, work


class Docker:
    """Answers as the client would, and keeps what it was told to remove."""

    def __init__(self, there: dict[str, list[str]], error: str = "") -> None:
        self.there, self.error, self.removed = there, error, list[str]()

    def __call__(self, command: Sequence[str], *, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        words = list(map(str, command))
        kind, verb = words[1:3]
        if verb == "ls":
            cloud = any("twine.role=cloud" in word for word in words)
            found = [name for name in self.there.get(kind, []) if not cloud or name.endswith("-cloud")]
            return subprocess.CompletedProcess(words, 0, "\n".join(found), "")
        if self.error:
            return subprocess.CompletedProcess(words, 1, "", self.error)
        self.removed.append(words[-1])
        self.there[kind].remove(words[-1])
        return subprocess.CompletedProcess(words, 0, "", "")


def test_the_cloud_goes_first_and_networks_after_containers(monkeypatch: pytest.MonkeyPatch) -> None:
    docker = Docker({"container": ["twine-1-i", "twine-1-cloud"], "network": ["twine-1-vpc"], "volume": []})
    monkeypatch.setattr(work, "attempt", docker)

    counts = remove.remove(["twine.checkout=1"], ("container", "network", "volume"))

    assert docker.removed == ["twine-1-cloud", "twine-1-i", "twine-1-vpc"]
    assert counts == {"container": 2, "network": 1, "volume": 0}


def test_what_is_already_gone_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "attempt", Docker({"container": ["a"]}, error="Error: No such container: a"))

    assert remove.remove(["twine.checkout=1"], ("container",)) == {"container": 1}


def test_what_is_in_use_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "attempt", Docker({"network": ["a"]}, error="error: network a has active endpoints"))

    with pytest.raises(work.Failed, match="Failed to remove 1 of 1 networks: error: network a has active endpoints"):
        remove.remove(["twine.checkout=1"], ("network",))
