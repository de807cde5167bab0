"""Who signed a release file, by a real ssh-keygen; and everything that is no approval."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.twine.platform.plugins.module_utils._release.release import ReleaseError
from ansible_collections.twine.platform.plugins.module_utils._release.signature import NAMESPACE, Signatures

from .conftest import allow

CONTENT = b"name: 1.0.0\n"
Keys = Callable[[str], Path]


@pytest.fixture
def release(tmp_path: Path) -> Path:
    path = tmp_path / "1.0.0.yml"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def signers(tmp_path: Path, keys: Keys) -> Path:
    return allow(keys("ada"), tmp_path / "signers")


def test_a_signature_names_its_signer(signatures: Signatures, keys: Keys, release: Path, signers: Path) -> None:
    signatures.sign(release, keys("ada"))

    assert signatures.signer(release, CONTENT, signers, "prod") == "ada"


def test_it_is_written_anew_over_an_old_one(signatures: Signatures, keys: Keys, release: Path, signers: Path) -> None:
    signatures.sign(release, keys("stranger"))
    signatures.sign(release, keys("ada"))

    assert signatures.signer(release, CONTENT, signers, "prod") == "ada"


def refused(signatures: Signatures, release: Path, signers: Path, content: bytes = CONTENT) -> str:
    with pytest.raises(ReleaseError) as failure:
        signatures.signer(release, content, signers, "prod")
    told = str(failure.value)
    assert told.startswith(f"Failed to accept release file {release} for account prod: ") and "\n" not in told
    return told


def test_none_is_refused(signatures: Signatures, release: Path, signers: Path) -> None:
    assert "it is not signed. Run playbooks/promote.yml" in refused(signatures, release, signers)


def test_altered_content_is_refused(signatures: Signatures, keys: Keys, release: Path, signers: Path) -> None:
    signatures.sign(release, keys("ada"))

    assert "it is not what was signed" in refused(signatures, release, signers, CONTENT + b"images: {}\n")


def test_a_strangers_key_is_refused_and_shown(signatures: Signatures, keys: Keys, release: Path, signers: Path) -> None:
    signatures.sign(release, keys("stranger"))
    shown = subprocess.run(["ssh-keygen", "-lf", str(keys("stranger"))], check=True, capture_output=True, text=True).stdout.split()[1]

    assert f"a key that {signers} does not allow" in refused(signatures, release, signers)
    assert shown in refused(signatures, release, signers)


def test_what_is_no_signature_is_refused(signatures: Signatures, release: Path, signers: Path) -> None:
    release.with_name("1.0.0.yml.sig").write_text("-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----\n")

    assert "1.0.0.yml.sig is no signature of a release" in refused(signatures, release, signers)


def test_it_is_refused_though_ssh_keygen_reads_no_content_then(signatures: Signatures, release: Path, signers: Path) -> None:
    release.with_name("1.0.0.yml.sig").write_text("none")

    assert "1.0.0.yml.sig is no signature of a release" in refused(signatures, release, signers, CONTENT * 100_000)


def test_a_signature_for_something_else_is_refused(signatures: Signatures, keys: Keys, release: Path, signers: Path) -> None:
    subprocess.run(["ssh-keygen", "-Y", "sign", "-q", "-n", "git", "-f", str(keys("ada")), str(release)], check=True)

    assert "is no signature of a release" in refused(signatures, release, signers)


@pytest.mark.parametrize("options", ['valid-before="20200101"', 'namespaces="git"'])
def test_a_key_that_may_no_longer_or_not_for_this_is_refused(signatures: Signatures, keys: Keys, release: Path, tmp_path: Path, options: str) -> None:
    signatures.sign(release, keys("ada"))
    signers = allow(keys("ada"), tmp_path / "others", options)

    told = refused(signatures, release, signers)
    assert "the key of ada may not sign it" in told or "does not allow" in told


def test_a_key_whose_line_was_renewed_still_counts(signatures: Signatures, keys: Keys, release: Path, tmp_path: Path) -> None:
    signatures.sign(release, keys("ada"))
    signers = allow(keys("ada"), tmp_path / "renewed", 'valid-before="20200101"')
    signers.write_text(signers.read_text() + f"ada-again {keys('ada').with_suffix('.pub').read_text()}")

    assert signatures.signer(release, CONTENT, signers, "prod") == "ada-again"


def test_without_a_file_of_signers_nothing_is_accepted(signatures: Signatures, keys: Keys, release: Path, tmp_path: Path) -> None:
    signatures.sign(release, keys("ada"))

    assert f"its file of allowed signers, {tmp_path / 'none'}, is not there" in refused(signatures, release, tmp_path / "none")


def test_an_empty_file_of_signers_allows_nobody(signatures: Signatures, keys: Keys, release: Path, tmp_path: Path) -> None:
    signatures.sign(release, keys("ada"))
    (tmp_path / "empty").write_text("")

    assert "does not allow" in refused(signatures, release, tmp_path / "empty")


def test_a_key_that_is_not_there_is_told_with_how_to_make_it(signatures: Signatures, release: Path, tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="ssh-keygen -t ed25519"):
        signatures.sign(release, tmp_path / "none")


def test_a_key_that_cannot_sign_leaves_no_signature(signatures: Signatures, release: Path, tmp_path: Path) -> None:
    (tmp_path / "broken").write_text("no key\n")
    with pytest.raises(ReleaseError, match=r"ssh-keygen says: .*agent"):
        signatures.sign(release, tmp_path / "broken")

    assert not release.with_name("1.0.0.yml.sig").exists()


def test_without_ssh_keygen_it_says_what_to_install(signatures: Signatures, keys: Keys, release: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ReleaseError, match="openssh-client"):
        signatures.sign(release, keys("ada"))


def test_the_namespace_is_the_one_that_inventories_allow() -> None:
    example = Path(__file__).resolve().parents[5] / "inventories" / "example" / "release_signers.txt"

    assert f'namespaces="{NAMESPACE}"' in example.read_text()
