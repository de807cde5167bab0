"""What prod does not accept is refused by the playbooks themselves, before a single call; what it accepts goes on to the cloud."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from tools import checkout

IMAGES = ("twine", "elasticsearch", "bastion")
PROFILES = ("operator", "dev", "prod", "bastion", "dns")
DENIED = b"<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>not here</Message></Error></ErrorResponse>"


@dataclass
class Cloud:
    """An endpoint that lets nobody in, and counts who asked."""

    calls: list[str] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    seen = Cloud()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            seen.calls.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.send_response(403)
            self.send_header("Content-Length", str(len(DENIED)))
            self.end_headers()
            self.wfile.write(DENIED)

        def log_message(self, format: str, *args: Any) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    seen.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield seen
    server.shutdown()


@dataclass(frozen=True)
class Estate:
    """The example's inventory, with releases and a key of its own."""

    folder: Path

    def playbook(self, name: str, cloud: Cloud | None = None, **variables: Any) -> subprocess.CompletedProcess[str]:
        given = {"estate_endpoint_url": cloud.url if cloud else "", "estate_credentials_file": str(self.folder / "credentials"), **variables}
        given |= {"stacks_state_dir": str(self.folder / "stacks"), "release_build_folder": str(self.folder / "build")}
        command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", str(self.folder / "inventories" / "example"), f"playbooks/{name}.yml"]
        environment = {**os.environ, "ANSIBLE_CONFIG": str(checkout.ROOT / "ansible.cfg"), "ANSIBLE_FORCE_COLOR": "0"}
        return subprocess.run(
            [*command, "--extra-vars", json.dumps(given)], cwd=checkout.ROOT, env=environment, capture_output=True, text=True, check=False
        )

    @property
    def release(self) -> Path:
        return (self.folder / "releases" / "current.yml").resolve()

    @property
    def from_here(self) -> str:
        """The release's path, from where playbooks are run."""
        return os.path.relpath(self.release, checkout.ROOT)

    def change(self, **changes: Any) -> None:
        self.release.write_text(yaml.safe_dump(yaml.safe_load(self.release.read_text()) | changes))

    def sign(self, key: str = "key") -> None:
        self.release.with_name(self.release.name + ".sig").unlink(missing_ok=True)
        command = ["ssh-keygen", "-Y", "sign", "-q", "-n", "twine.platform.release", "-f", str(self.folder / key), str(self.release)]
        subprocess.run(command, check=True)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An estate whose release was made by playbooks/release.yml."""
    folder = tmp_path_factory.mktemp("estate")
    shutil.copytree(checkout.ROOT / "inventories" / "example", folder / "inventories" / "example")
    for key in ("key", "stranger"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(folder / key)], check=True)
    (folder / "inventories" / "example" / "release_signers.txt").write_text(f"ada {(folder / 'key.pub').read_text()}")
    profiles = (f"[twine-{name}]\naws_access_key_id = a\naws_secret_access_key = b\n" for name in PROFILES)
    (folder / "credentials").write_text("".join(profiles))
    (folder / "build" / "releases").mkdir(parents=True)
    (folder / "build" / "images").mkdir()
    packages = {"twine": {"version": "1.0.0-1~deb12", "architecture": "all", "sha256": "0" * 64}}
    (folder / "build" / "releases" / "snapshot.json").write_text(json.dumps({"snapshot": "20260101T000000Z-0a1b2c3d4e5f", "packages": packages}))
    for number, role in enumerate(IMAGES):
        record = {"image_id": f"ami-0123456789abcdef{number}", "bake_key": f"0a1b2c3d4e5{number}"}
        (folder / "build" / "images" / f"{role}.json").write_text(json.dumps(record))
    done = Estate(folder).playbook("release")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture
def estate(made: Path, tmp_path: Path) -> Estate:
    shutil.copytree(made, tmp_path / "estate", symlinks=True)
    return Estate(tmp_path / "estate")


def unsigned(estate: Estate) -> None:
    """As release.yml wrote it."""


def altered(estate: Estate) -> None:
    estate.sign()
    estate.change(images=dict.fromkeys(IMAGES, "ami-ffffffffffffffff0"))


def signed_by_a_stranger(estate: Estate) -> None:
    estate.sign("stranger")


def with_an_unknown_key(estate: Estate) -> None:
    estate.change(note="by hand")
    estate.sign()


def of_a_wrong_type(estate: Estate) -> None:
    estate.change(images=["ami-0123456789abcdef0"])
    estate.sign()


def deployed_with_another_image(estate: Estate) -> None:
    estate.sign()
    stacks = estate.folder / "inventories" / "example" / "group_vars" / "environments" / "stacks.yml"
    stacks.write_text(stacks.read_text().replace("{{ account_images['twine'] }}", "ami-ffffffffffffffff0"))


def of_other_templates(estate: Estate) -> None:
    templates = yaml.safe_load(estate.release.read_text())["templates"]
    estate.change(templates=templates | {"application.yml": "f" * 64})
    estate.sign()


@pytest.mark.parametrize(
    ("prepare", "told"),
    [
        (unsigned, "for account prod: it is not signed. Run playbooks/promote.yml"),
        (altered, "it is not what was signed"),
        (signed_by_a_stranger, "a key that"),
        (with_an_unknown_key, "at note: it is no key of a release file"),
        (of_a_wrong_type, "at images: it holds list, not a mapping"),
        (deployed_with_another_image, "prod/application: it is defined otherwise. Check out its commit"),
        (of_other_templates, "prod/application: its template application.yml is another. Check out its commit"),
    ],
)
def test_what_prod_does_not_accept_is_refused_before_the_first_call(estate: Estate, cloud: Cloud, prepare: Any, told: str) -> None:
    prepare(estate)
    done = estate.playbook("deploy", cloud)

    assert done.returncode != 0 and told in " ".join((done.stdout + done.stderr).split())
    assert cloud.calls == []


@pytest.mark.parametrize("name", ["roll_out", "roll_back"])
def test_a_rollout_and_the_way_back_ask_for_the_same(estate: Estate, cloud: Cloud, name: str) -> None:
    done = estate.playbook(name, cloud, environment_name="prod", release_file=str(estate.release))

    assert done.returncode != 0 and "it is not signed" in done.stdout + done.stderr
    assert cloud.calls == []


def test_what_was_signed_goes_on_to_every_account(estate: Estate, cloud: Cloud) -> None:
    """Its path may begin where one stands."""
    estate.sign()
    done = estate.playbook("deploy", cloud, release_file=estate.from_here)

    assert done.returncode != 0 and "Failed to read the stacks" not in done.stdout
    assert any("222233334444" in call for call in cloud.calls), done.stdout


def test_dev_needs_no_signature_but_a_release(estate: Estate, cloud: Cloud) -> None:
    estate.playbook("deploy", cloud, only=["dev"])
    assert any("111122223333" in call for call in cloud.calls) and not any("222233334444" in call for call in cloud.calls)

    cloud.calls.clear()
    estate.change(plan={})
    done = estate.playbook("deploy", cloud, only=["dev"])
    assert "at plan: it is empty" in done.stdout + done.stderr and cloud.calls == []


def test_two_releases_are_told_apart_by_path_or_by_name(estate: Estate) -> None:
    earlier = estate.release.with_name("earlier.yml")
    earlier.write_text(estate.release.read_text().replace("ami-0123456789abcdef0", "ami-fedcba9876543210f"))
    done = estate.playbook("release_diff", **{"from": os.path.relpath(earlier, checkout.ROOT), "to": "current"})

    assert done.returncode == 0, done.stdout
    assert re.search(r"twine +ami-fedcba9876543210f .*→ ami-0123456789abcdef0", done.stdout), done.stdout
