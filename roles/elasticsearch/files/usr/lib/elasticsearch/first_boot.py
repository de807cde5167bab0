"""Give this machine's Elasticsearch its identity: password, certificate authority, certificate.

Runs before every start and changes only what is missing or no longer true. The authority lies with the data, so that a
machine that takes over the volume keeps it; its certificate is published where ELASTICSEARCH_CA_NAME names a parameter.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

KEYSTORE_TOOL = "/usr/share/elasticsearch/bin/elasticsearch-keystore"
PUBLISHER = "/usr/sbin/machine-config"
DAYS = 3650
ROUNDS = 200_000


class FirstBootError(Exception):
    """The identity could not be made; the message says why and what to do."""


@dataclass(frozen=True)
class Folders:
    """Where things lie below `root`."""

    root: Path = Path("/")

    @property
    def settings(self) -> Path:
        """Elasticsearch's own settings."""
        return self.root / "etc/elasticsearch"

    @property
    def certificates(self) -> Path:
        """What Elasticsearch reads: this node's key and certificate, the authority's certificate."""
        return self.settings / "certs"

    @property
    def authority(self) -> Path:
        """The certificate authority. It lies with the data."""
        return self.root / "var/lib/elasticsearch/identity"

    @property
    def data(self) -> Path:
        """The indices."""
        return self.root / "var/lib/elasticsearch/data"

    @property
    def secrets(self) -> tuple[Path, Path]:
        """The machine's secrets: from the account, or from a file that was put there."""
        return self.root / "run/machine/secrets", self.root / "etc/machine/secrets"


def run(command: Sequence[str], given: str = "") -> str:
    """Run a command with `given` as its input and return what it prints."""
    try:
        done = subprocess.run(command, input=given, text=True, capture_output=True, check=True, timeout=120)
    except subprocess.CalledProcessError as error:
        reason = " ".join((error.stderr or error.stdout).split())
        raise FirstBootError(f"Failed to run {Path(command[0]).name}: {reason}. Correct that and start the unit again.") from error
    return done.stdout


def secret(folders: Folders, name: str) -> str | None:
    """Return the content of a secret, or None where there is no such file."""
    path = next((folder / name for folder in folders.secrets if (folder / name).is_file()), None)
    return None if path is None else path.read_text(encoding="utf-8").strip()


def have_folder(path: Path, mode: int, owner: str, group: str) -> None:
    """Have a folder with this mode, whatever the umask, of this owner and group."""
    path.mkdir(exist_ok=True)
    shutil.chown(path, owner, group)
    path.chmod(mode)


def write(path: Path, content: str, mode: int, group: str | None = None) -> None:
    """Write a file whole or not at all, with its mode from the first byte on."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(content)
    temporary.chmod(mode)
    if group is not None:
        shutil.chown(temporary, "root", group)
    temporary.replace(path)


def stamp(password: str, salt: str) -> str:
    """Return what tells whether the keystore holds this password, and does not tell the password."""
    return f"{salt} {hashlib.pbkdf2_hmac('sha256', password.encode(), bytes.fromhex(salt), ROUNDS).hex()}"


def ensure_password(folders: Folders, group: str) -> bool:
    """Have the keystore hold the machine's secret as the password of the user elastic. Say whether that changed."""
    password = secret(folders, "search")
    if not password:
        looked = " or ".join(str(folder / "search") for folder in folders.secrets)
        raise FirstBootError(f"Failed to set the password of elastic: there is no {looked}. Put the secret there.")
    keystore = folders.settings / "elasticsearch.keystore"
    noted = folders.settings / ".password-stamp"
    old = noted.read_text(encoding="utf-8") if noted.is_file() and keystore.is_file() else ""
    if old and hmac.compare_digest(old, stamp(password, old.split()[0])):
        return False
    if not old:
        # One that came with a package or an image is another machine's.
        keystore.unlink(missing_ok=True)
    run([KEYSTORE_TOOL, "add", "--stdin", "--force", "bootstrap.password"], password)
    shutil.chown(keystore, "root", group)
    keystore.chmod(0o660)
    write(noted, stamp(password, secrets.token_hex(16)), 0o600)
    return True


def ensure_authority(folders: Folders) -> None:
    """Have a certificate authority: the one that the secrets bring for a whole cluster, or one of this node's own."""
    key, certificate = folders.authority / "ca.key", folders.authority / "ca.crt"
    given = secret(folders, "search_ca_key"), secret(folders, "search_ca")
    if given[0] and given[1]:
        write(key, f"{given[0]}\n", 0o600)
        write(certificate, f"{given[1]}\n", 0o644)
    if key.is_file() and certificate.is_file():
        return
    new = key.with_suffix(".new")
    run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(new)])
    name = f"/CN=Elasticsearch of {socket.gethostname()} {secrets.token_hex(4)}"
    # That it is an authority is said by the distribution's own configuration of `req -x509`.
    usage = ["-addext", "keyUsage=critical,keyCertSign,cRLSign"]
    run(["openssl", "req", "-x509", "-new", "-key", str(new), "-sha256", "-days", str(DAYS), "-subj", name, *usage, "-out", str(certificate)])
    new.replace(key)


def subject_names(environment: Mapping[str, str]) -> str:
    """Return by what names and addresses this node is called, as a certificate's subjectAltName."""
    host = socket.gethostname()
    names = ["localhost", host, socket.getfqdn(), *environment.get("ELASTICSEARCH_NAME", "").split()]
    found = socket.getaddrinfo(host, None, family=socket.AF_INET, type=socket.SOCK_STREAM)
    addresses = ["127.0.0.1", *sorted({str(answer[4][0]) for answer in found})]
    return ",".join([f"DNS:{name}" for name in dict.fromkeys(names)] + [f"IP:{address}" for address in dict.fromkeys(addresses)])


def ensure_certificate(folders: Folders, names: str, group: str) -> bool:
    """Have a certificate of the authority for these names. Say whether it is a new one."""
    key, certificate, authority = (folders.certificates / name for name in ("node.key", "node.crt", "ca.crt"))
    noted = folders.certificates / ".names"
    trusted = (folders.authority / "ca.crt").read_text(encoding="utf-8")
    wanted = f"{hashlib.sha256(trusted.encode()).hexdigest()} {names}"
    if key.is_file() and certificate.is_file() and noted.is_file() and noted.read_text(encoding="utf-8") == wanted:
        return False
    noted.unlink(missing_ok=True)
    run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(key)])
    request = run(["openssl", "req", "-new", "-key", str(key), "-sha256", "-subj", f"/CN={socket.gethostname()}"])
    extensions = folders.certificates / ".extensions"
    write(extensions, f"subjectAltName={names}\nextendedKeyUsage=serverAuth,clientAuth\n", 0o600)
    pair = ["-CA", str(folders.authority / "ca.crt"), "-CAkey", str(folders.authority / "ca.key")]
    serial = ["-set_serial", f"0x{secrets.token_hex(16)}"]
    signed = run(["openssl", "x509", "-req", "-sha256", "-days", str(DAYS), *pair, *serial, "-extfile", str(extensions)], request)
    extensions.unlink()
    shutil.chown(key, "root", group)
    key.chmod(0o640)
    write(certificate, signed, 0o644)
    write(authority, trusted, 0o644)
    write(noted, wanted, 0o600)
    return True


def publish(authority: Path, environment: Mapping[str, str]) -> list[str]:
    """Give the authority's certificate to who must trust it: a parameter of the account, a file of this machine. Say where."""
    name, file = environment.get("ELASTICSEARCH_CA_NAME"), environment.get("ELASTICSEARCH_CA_FILE")
    if name:
        run([PUBLISHER, "publish", name, str(authority)])
    if file:
        write(Path(file), authority.read_text(encoding="utf-8"), 0o644)
    return [place for place in (name, file) if place]


def main(environment: Mapping[str, str], folders: Folders = Folders(), group: str = "elasticsearch") -> int:
    """Make what is missing, and say what was made."""
    try:
        have_folder(folders.certificates, 0o750, "root", group)
        have_folder(folders.authority, 0o700, "root", "root")
        have_folder(folders.data, 0o750, group, group)
        made = {"password": ensure_password(folders, group)}
        ensure_authority(folders)
        made["certificate"] = ensure_certificate(folders, subject_names(environment), group)
        published = publish(folders.certificates / "ca.crt", environment)
    except (FirstBootError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    said = [f"{what}: {'new' if new else 'as it was'}" for what, new in made.items()]
    print("; ".join([*said, f"authority: published {', '.join(published) or 'nowhere'}"]))
    return 0


if __name__ == "__main__":
    sys.exit(main(os.environ))
