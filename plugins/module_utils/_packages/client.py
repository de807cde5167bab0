"""A real apt that knows one source and nothing else: what a machine would see of the repository."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .errors import PackageError
from .runner import Runner

# Reads the keyring from standard input; leaves nothing behind. Everything of apt's lies in a folder of its own, so
# that the machine's sources, lists, proxies and trusted keys have no part in the answer.
_SCRIPT = """
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
chmod 0755 "$folder"
mkdir -p "$folder/state/lists/partial" "$folder/cache/archives/partial" "$folder/etc/parts" "$folder/etc/trusted.d"
ARCHITECTURES=${ARCHITECTURES:-$(dpkg --print-architecture)}
cat >"$folder/keyring.asc"
chmod 0644 "$folder/keyring.asc"
: >"$folder/status"
cat >"$folder/etc/sources.list" <<END
deb [arch=$ARCHITECTURES signed-by=$folder/keyring.asc] $URL $DISTRIBUTION $COMPONENT
END
cat >"$folder/apt.conf" <<END
Dir::State "$folder/state";
Dir::State::status "$folder/status";
Dir::Cache "$folder/cache";
Dir::Etc "$folder/etc";
Dir::Etc::SourceList "$folder/etc/sources.list";
Dir::Etc::SourceParts "$folder/etc/parts";
Dir::Etc::Parts "$folder/etc/parts";
Dir::Etc::Trusted "$folder/none.gpg";
Dir::Etc::TrustedParts "$folder/etc/trusted.d";
APT::Update::Error-Mode "any";
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::Retries "0";
Acquire::http::Proxy "$PROXY";
END
export APT_CONFIG="$folder/apt.conf"
apt-get update >&2
apt-get indextargets --format '$(FILENAME)' 'Created-By: Packages' | while read -r index; do
    /usr/lib/apt/apt-helper cat-file "$index"
    echo
done
if [ -n "$DOWNLOAD" ]; then
    cd "$folder"
    apt-get download $DOWNLOAD >&2
fi
"""


@dataclass(frozen=True)
class Source:
    """One apt source: its address, distribution, component, and the public key that it must be signed with.

    `architectures` are those whose indices are read; none: the client's own.
    """

    url: str
    distribution: str
    component: str
    key: str
    architectures: tuple[str, ...] = ()


@dataclass(frozen=True)
class Client:
    """apt, on this machine or, with an image, in a throw-away container on a Docker network."""

    run: Runner
    image: str = ""
    network: str = ""
    labels: tuple[str, ...] = ()
    proxy: str = ""

    def read(self, source: Source, download: Sequence[str] = ()) -> str:
        """The texts of the source's indices, verified by apt; with `download` (name=version), those files as well.

        Raises PackageError when apt refuses the source: not signed by the key, incomplete, or not there.
        """
        values = {
            "URL": source.url,
            "DISTRIBUTION": source.distribution,
            "COMPONENT": source.component,
            "ARCHITECTURES": ",".join(source.architectures),
            # apt takes the word DIRECT for "no proxy", whatever the environment says.
            "PROXY": self.proxy or "DIRECT",
            "DOWNLOAD": " ".join(download),
        }
        result = self.run([*self._where(values), "sh", "-c", _SCRIPT], data=source.key.encode(), seconds=180)
        if result.code:
            raise PackageError(f"read {source.url} {source.distribution} as a client", f"apt says:\n{_complaints(result.err)}", _remedy(result.err))
        return result.out

    def _where(self, values: dict[str, str]) -> list[str]:
        pairs = [f"{name}={value}" for name, value in values.items()]
        if not self.image:
            return ["env", *pairs]
        options = ["docker", "run", "--rm", "--interactive", *[f"--env={pair}" for pair in pairs]]
        options += [f"--label={label}" for label in self.labels]
        return [*options, *([f"--network={self.network}"] if self.network else []), self.image]


def _complaints(said: str) -> str:
    """apt's own errors and warnings, or else the last it said."""
    lines = said.strip().splitlines()
    return "\n".join([line for line in lines if line.startswith(("E:", "W:", "Err:"))][:8] or lines[-4:])


def _remedy(said: str) -> str:
    if "NO_PUBKEY" in said or "not signed" in said or "BADSIG" in said:
        return "Fetch the repository's key again (playbooks/repository.yml), and publish again if it was altered"
    return "See whether the repository serves this address, and publish again"
