from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tools import checkout


def test_the_id_follows_the_real_path(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)

    assert checkout.identity(tmp_path) == hashlib.sha256(str(tmp_path.resolve()).encode()).hexdigest()[:6]
    assert checkout.identity(tmp_path / "link") == checkout.identity(tmp_path)


@pytest.mark.parametrize("name", [f"checkout-{number}" for number in range(20)])
def test_ports_and_ranges_are_valid(name: str, tmp_path: Path) -> None:
    ports = checkout.ports(tmp_path / name)
    octets = [int(network.split(".")[1]) for network in checkout.networks(tmp_path / name).values()]

    assert ports["cloud"] % 100 == 0
    assert all(20_000 <= port < 50_000 for port in ports.values())
    assert len(set(octets)) == 3
    assert all(10 <= octet < 190 for octet in octets)


def test_an_unknown_question_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert checkout.main(["colour"]) == 2
    assert "Ask one of: id, prefix" in capsys.readouterr().err
