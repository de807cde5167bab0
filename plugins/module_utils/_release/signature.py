"""The signature of a release file: made by a person's SSH key, detached, checked against an estate's allowed signers.

Both are ``ssh-keygen -Y``: https://man.openbsd.org/ssh-keygen#Y. The key may lie in a file, in an agent or in a hardware token.
Allowed signers are a file of lines ``<name> [options] <public key>``, which may limit a key in time: ``man ssh-keygen``,
ALLOWED SIGNERS.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .._packages.errors import PackageError
from .._packages.runner import Runner
from .release import ReleaseError

# A signature for something else (a commit, an e-mail) is none for a release.
NAMESPACE = "twine.platform.release"
ENDING = ".sig"


@dataclass(frozen=True)
class Signatures:
    """Signs and checks release files."""

    run: Runner

    def signer(self, path: Path, content: bytes, signers: Path, account: str) -> str:
        """Who signed ``content``, which was read from ``path``.

        :param account: the account that asks for it, for messages.
        :raises ReleaseError: if nobody did, somebody did who may not, or the content is not what was signed.
        """
        signature = path.with_name(path.name + ENDING)
        if not signature.is_file():
            raise ReleaseError(_refused(path, account, "it is not signed", "Run playbooks/promote.yml, which signs what dev runs"))
        if not signers.is_file():
            why = f"its file of allowed signers, {signers}, is not there"
            raise ReleaseError(_refused(path, account, why, "Correct account_release_signers, or run playbooks/promote.yml where it makes the key"))
        common = ["-n", NAMESPACE, "-s", str(signature)]
        code, whole, said = self._call(["-Y", "check-novalidate", *common], content)
        if code:
            why = f"it is not what was signed, or {signature.name} is no signature of a release ({_last(said or whole)})"
            raise ReleaseError(_refused(path, account, why, "Take the file that playbooks/release.yml wrote, and sign it with playbooks/promote.yml"))
        _code, found, _said = self._call(["-Y", "find-principals", "-s", str(signature), "-f", str(signers)], b"")
        why = f"it was signed by a key that {signers} does not allow ({_last(whole)})"
        for name in dict.fromkeys(found.split()):
            code, out, said = self._call(["-Y", "verify", "-f", str(signers), "-I", name, *common], content)
            if code == 0:
                return name
            why = f"the key of {name} may not sign it ({_last(said or out)})"
        raise ReleaseError(_refused(path, account, why, f"Have it signed by somebody who may (playbooks/promote.yml), or correct {signers}"))

    def sign(self, path: Path, key: Path) -> None:
        """Write the signature of ``path`` beside it. ``key`` is a private key, or a public one whose private half an agent holds."""
        if not key.is_file():
            raise ReleaseError(
                f"Failed to sign {path}: the key {key} is not there. Make one (ssh-keygen -t ed25519 -f {key}), let "
                "account_release_signers of prod allow it, or set release_signing_key."
            )
        signature = path.with_name(path.name + ENDING)
        # ssh-keygen asks before it writes over a file, and here is nobody to answer.
        signature.unlink(missing_ok=True)
        code, out, said = self._call(["-Y", "sign", "-q", "-n", NAMESPACE, "-f", str(key), str(path)], b"")
        if code or not signature.is_file():
            raise ReleaseError(
                f"Failed to sign {path} with {key}: ssh-keygen says: {_last(said or out)}. A key with a passphrase or a token is used "
                "through an agent: ssh-add it, and set release_signing_key to its .pub file."
            )

    def _call(self, arguments: list[str], content: bytes) -> tuple[int, str, str]:
        try:
            result = self.run(["ssh-keygen", *arguments], data=content)
        except PackageError as failure:
            raise ReleaseError(f"{failure} It is of OpenSSH's client, package openssh-client.") from None
        return result.code, result.out, result.err


def _refused(path: Path, account: str, why: str, remedy: str) -> str:
    return f"Failed to accept release file {path} for account {account}: {why}. {remedy}."


def _last(said: str) -> str:
    lines = said.strip().splitlines()
    return lines[-1].strip().rstrip(".") if lines else "nothing"
