"""Key pairs are real, and cloud-init lets in whom the user data says."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from local_cloud.plugin import emulator, key_pairs
from local_cloud.plugin.requests import Refused, Request


def call(handler: Callable[[dict[str, Any]], Any], **given: Any) -> str:
    token = emulator._request.set(Request("ec2", "", given))
    try:
        return str(handler({})[2].decode())
    finally:
        emulator._request.reset(token)


def test_a_created_key_is_an_ed25519_key_whose_public_half_is_kept(tmp_path: Path) -> None:
    answer = call(key_pairs.create, KeyName="packer", KeyType="ed25519")
    private = tmp_path / "key"
    private.write_text(answer.partition("<keyMaterial>")[2].partition("</keyMaterial>")[0])
    private.chmod(0o600)
    public = subprocess.run(["ssh-keygen", "-y", "-f", private], capture_output=True, text=True, check=True).stdout
    assert public.split()[:2] == key_pairs.ec2._key_pairs["packer"]["PublicKeyMaterial"].split()[:2]
    with pytest.raises(Refused, match="already exists"):
        call(key_pairs.create, KeyName="packer", KeyType="ed25519")


def test_a_pair_is_found_by_its_tags_and_goes_by_its_id() -> None:
    tags = [{"ResourceType": "key-pair", "Tags": [{"Key": "twine:role", "Value": "builder"}]}]
    public = key_pairs.generate()[1]
    call(key_pairs.bring, KeyName="one", PublicKeyMaterial=public.encode(), TagSpecifications=tags)
    call(key_pairs.bring, KeyName="two", PublicKeyMaterial=public.encode())
    asked = {"Filters": [{"Name": "tag:twine:role", "Values": ["builder"]}]}
    found = call(key_pairs.describe, **asked)
    assert "<keyName>one</keyName>" in found and "two" not in found
    call(key_pairs.delete, KeyPairId=found.partition("<keyPairId>")[2].partition("<")[0])
    assert "<keyName>" not in call(key_pairs.describe, **asked)


def test_what_is_no_key_is_refused() -> None:
    with pytest.raises(Refused, match="not in valid OpenSSH public key format"):
        call(key_pairs.bring, KeyName="one", PublicKeyMaterial=b"ssh-ed25519 nonsense")


@pytest.mark.parametrize(
    ("public", "user_data", "lets_in"),
    [
        ("ssh-ed25519 AAAA", "#cloud-config\nusers: []\ndisable_root: false\n", True),
        ("ssh-ed25519 AAAA", "#cloud-config\nusers: []\n", False),
        ("ssh-ed25519 AAAA", "SECRET=1", False),
        ("", "#cloud-config\nusers: []\ndisable_root: false\n", False),
    ],
)
def test_root_is_let_in_where_the_user_data_says_so(public: str, user_data: str, lets_in: bool) -> None:
    assert key_pairs.let_in(public, user_data) == (public if lets_in else "")
