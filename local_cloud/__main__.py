"""The local cloud's command line: up, down, status, addresses, fault. Run from the checkout: `python -m local_cloud up`."""

from __future__ import annotations

import argparse
import configparser
import hashlib
import io
import json
import os
import secrets
import socket
import subprocess
import sys
import tarfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tools import checkout

HERE = Path(__file__).resolve().parent
STATE = checkout.BUILD / "local_cloud"
LIBRARIES = STATE / "site-packages"
PREFIX = checkout.prefix()
CLOUD = f"{PREFIX}-cloud"
PORT = checkout.ports()["cloud"]
ENDPOINT = f"http://127.0.0.1:{PORT}"
REGION = "eu-west-2"
ACCOUNTS = {"dev": "111111111111", "prod": "222222222222", "bastion": "333333333333", "dns": "444444444444"}
OPERATOR_ACCOUNT = ACCOUNTS["bastion"]
PART = ("--filter", f"label={checkout.label()}", "--filter", "label=twine.part=local_cloud")
BASE = "twine/base:bookworm"
WAIT_SECONDS = 60.0


class Failed(Exception):
    """One sentence: what failed, why, what to do."""


def docker(*arguments: str, stdin: bytes | None = None) -> str:
    try:
        done = subprocess.run(["docker", *arguments], input=stdin, capture_output=True, check=False)
    except FileNotFoundError as error:
        raise Failed("Failed to run docker: there is no such program. Install it and start its daemon, or run: make setup") from error
    if done.returncode:
        reason = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()
        raise Failed(f"Failed to run `docker {' '.join(arguments[:3])} …`: {' '.join(reason[-3:])}")
    return done.stdout.decode().strip()


def ask(path: str, query: dict[str, str] | None = None) -> Any:
    """The running cloud's answer to one of our own questions."""
    url = f"{ENDPOINT}/_local_cloud/{path}?{urllib.parse.urlencode(query or {})}"
    try:
        with urllib.request.urlopen(url, timeout=30) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        raise Failed(f"Failed to ask the local cloud {path}: {json.load(error).get('error')}") from error
    except OSError as error:
        raise Failed(f"Failed to reach the local cloud at {ENDPOINT}: {error}. Start it: python -m local_cloud up") from error


# --- images -------------------------------------------------------------------------------------------------------


def digest_of(folder: Path, *more: str) -> str:
    """Twelve digits that change with the folder's files and with the base image."""
    found = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts):
        found.update(f"{path.relative_to(folder)}\0".encode() + path.read_bytes())
    for text in (docker("image", "inspect", "--format", "{{.Id}}", BASE), *more):
        found.update(text.encode())
    return found.hexdigest()[:12]


def build(folder: Path) -> tuple[str, str]:
    """Build an engine's image unless it is there; its environment variable and tag."""
    name = folder.name
    context, libraries = (LIBRARIES, sorted(p.name for p in LIBRARIES.glob("*.dist-info"))) if name == "cloud" else (folder, [])
    tag = f"{PREFIX}/cloud-{name}:{digest_of(folder, *libraries)}"
    if not docker("image", "ls", "--quiet", tag):
        start = time.monotonic()
        docker("build", "--force-rm", "--quiet", "--tag", tag, "--label", checkout.label(), "--file", str(folder / "Dockerfile"), str(context))
        print(f"  built {tag} in {time.monotonic() - start:.0f} s", flush=True)
    return f"TWINE_IMAGE_{name.upper()}", tag


# --- up and down --------------------------------------------------------------------------------------------------


def code() -> bytes:
    """The launcher and the plugin as an archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path in sorted([*HERE.glob("*.py"), *HERE.glob("*.yml"), *HERE.glob("plugin/*")]):
            if path.is_file():
                archive.add(path, f"opt/local_cloud/{path.relative_to(HERE)}")
    return buffer.getvalue()


def code_digest() -> str:
    return hashlib.sha256(b"".join(p.read_bytes() for p in sorted([*HERE.glob("*.yml"), *HERE.glob("plugin/*.py")]))).hexdigest()[:12]


def new_credentials() -> dict[str, dict[str, str]]:
    """Keys for the account roots and the operator, new for each cloud."""
    root = secrets.token_urlsafe(30)
    found = {name: {"account": number, "access_key": number, "secret_key": root} for name, number in ACCOUNTS.items()}
    key = "AKIA" + "".join(secrets.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") for _turn in range(16))
    found["operator"] = {"account": OPERATOR_ACCOUNT, "access_key": key, "secret_key": secrets.token_urlsafe(30)}
    return found


def write_access(credentials: dict[str, dict[str, str]], clock_factor: str) -> None:
    """build/local_cloud/credentials and build/local_cloud/env."""
    profiles = configparser.ConfigParser()
    for name, entry in credentials.items():
        profiles[f"twine-{name}"] = {"aws_access_key_id": entry["access_key"], "aws_secret_access_key": entry["secret_key"]}
    path = STATE / "credentials"
    path.touch(mode=0o600)
    with path.open("w") as file:
        profiles.write(file)
    lines = {
        "AWS_ENDPOINT_URL": ENDPOINT,
        "AWS_SHARED_CREDENTIALS_FILE": str(path),
        "AWS_PROFILE": "twine-operator",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "TWINE_OPERATOR_ARN": f"arn:aws:iam::{OPERATOR_ACCOUNT}:user/operator",
        "CLOCK_FACTOR": clock_factor,
    }
    (STATE / "env").write_text("".join(f"export {key}={value}\n" for key, value in lines.items()))


def is_up() -> dict[str, str] | None:
    """The running cloud's labels."""
    rows = docker("ps", "--filter", f"name=^{CLOUD}$", "--format", "{{json .Names}}")
    return dict(json.loads(docker("inspect", "--format", "{{json .Config.Labels}}", CLOUD))) if rows else None


def preflight() -> None:
    if not (LIBRARIES / "ministack").is_dir():
        raise Failed(f"Failed to find the emulator in {LIBRARIES.relative_to(checkout.ROOT)}: it is not set up. Run: make setup")
    if not docker("image", "ls", "--quiet", BASE):
        raise Failed(f"Failed to find the image {BASE}: machines and engines are made from it. Run: make setup")
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", PORT)) == 0:
            raise Failed(f"Failed to take port {PORT} on 127.0.0.1: something listens there. End it, then run again.")


def start_cloud(images: dict[str, str], clock_factor: str) -> dict[str, dict[str, str]]:
    """Create the container, put code and keys into it, start it."""
    environment = {
        "AUTH": "true",
        "BIND_HOST": "0.0.0.0",
        "CLOCK_FACTOR": clock_factor,
        "GATEWAY_PORT": "4566",
        "IOT_MTLS_ENABLED": "0",
        "MINISTACK_REGION": REGION,
        "SFTP_ENABLED": "0",
        "TWINE_CHECKOUT": checkout.identity(),
        "TWINE_PORT_BASE": str(PORT),
        **images,
    }
    labels = (checkout.label(), "twine.part=local_cloud", "twine.role=cloud", f"twine.code={code_digest()}")
    docker(
        *("create", "--name", CLOUD, "--hostname", "cloud", "--publish", f"127.0.0.1:{PORT}:4566"),
        *(word for label in labels for word in ("--label", label)),
        *(word for key, value in environment.items() for word in ("--env", f"{key}={value}")),
        # It is the hypervisor and the router: other containers' network namespaces, its own forwarding, Docker.
        *("--pid", "host", "--cap-add", "SYS_ADMIN", "--cap-add", "SYS_PTRACE", "--cap-add", "NET_ADMIN"),
        *("--security-opt", "apparmor=unconfined", "--sysctl", "net.ipv4.ip_forward=1"),
        *("--volume", "/var/run/docker.sock:/var/run/docker.sock", images["TWINE_IMAGE_CLOUD"]),
    )
    credentials = new_credentials()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        text = json.dumps(credentials).encode()
        info = tarfile.TarInfo("etc/local_cloud.json")
        info.size, info.mode = len(text), 0o600
        archive.addfile(info, io.BytesIO(text))
    for content in (code(), buffer.getvalue()):
        docker("cp", "-", f"{CLOUD}:/", stdin=content)
    docker("start", CLOUD)
    return credentials


def wait_until_ready() -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{ENDPOINT}/_ministack/ready", timeout=2):
                return
        except OSError:
            if docker("inspect", "--format", "{{.State.Status}}", CLOUD) not in ("created", "running"):
                break
            time.sleep(0.1)
    log = subprocess.run(["docker", "logs", "--tail", "25", CLOUD], capture_output=True, text=True, check=False)
    raise Failed(f"Failed to start the local cloud: no answer at {ENDPOINT}. Its last words:\n{log.stdout}{log.stderr}")


def up(arguments: argparse.Namespace) -> None:
    start = time.monotonic()
    running = is_up()
    if running is None:
        down(argparse.Namespace(quiet=True))
        preflight()
        print("Images of the local cloud", flush=True)
        folders = sorted(path.parent for path in HERE.glob("images/*/Dockerfile"))
        with ThreadPoolExecutor() as pool:
            images = dict(pool.map(build, folders))
        print(f"Start {CLOUD}", flush=True)
        write_access(start_cloud(images, arguments.clock_factor), arguments.clock_factor)
    wait_until_ready()
    if running and running["twine.code"] != code_digest():
        print("The local cloud runs older code than this checkout has: `down` and `up` take the new one (and lose what runs).")
    print(f"The local cloud answers at {ENDPOINT} ({time.monotonic() - start:.1f} s). Clock factor {ask('addresses')['clock_factor']:g}.")
    print((STATE / "env").read_text(), end="")


def down(arguments: argparse.Namespace) -> None:
    """Kill and remove, the cloud first, so that it replaces nothing."""
    containers = [word for word in docker("ps", "--all", "--quiet", *PART).split() if word]
    if docker("ps", "--all", "--quiet", "--filter", f"name=^{CLOUD}$"):
        docker("rm", "--force", "--volumes", CLOUD)
    with ThreadPoolExecutor(max_workers=8) as pool:
        list(pool.map(remove, containers))
    networks = docker("network", "ls", "--quiet", *PART).split()
    for network in networks:
        leave(network)
        docker("network", "rm", network)
    # The records of images that calls have made went with the cloud.
    for image in docker("image", "ls", "--quiet", "--filter", f"label={checkout.label()}", "--filter", "label=twine.image").split():
        subprocess.run(["docker", "image", "rm", "--force", image], capture_output=True, check=False)
    if not getattr(arguments, "quiet", False):
        print(f"Removed {len(containers)} containers and {len(networks)} networks of the local cloud.")


def leave(network: str) -> None:
    """The repository stands in the default VPC, too, and stays."""
    for name in json.loads(docker("network", "inspect", "--format", "{{json .Containers}}", network)):
        docker("network", "disconnect", "--force", network, name)


def remove(container: str) -> None:
    subprocess.run(["docker", "rm", "--force", "--volumes", container], capture_output=True, check=False)


def status(arguments: argparse.Namespace) -> None:
    if is_up() is None:
        print("The local cloud is down.")
        sys.exit(1)
    found = ask("addresses")
    states: dict[str, int] = {}
    for instance in found["instances"]:
        states[f"{instance['account']} {instance['state']}"] = states.get(f"{instance['account']} {instance['state']}", 0) + 1
    print(f"The local cloud answers at {ENDPOINT}. Clock factor {found['clock_factor']:g}.")
    for name, count in sorted(states.items()):
        print(f"  {count} instances {name}")
    for name, url in sorted(found["load_balancers"].items()):
        print(f"  load balancer {name}: {url}")


def addresses(arguments: argparse.Namespace) -> None:
    print(json.dumps(ask("addresses"), indent=2))


def fault(arguments: argparse.Namespace) -> None:
    query = {
        key: str(value)
        for key, value in vars(arguments).items()
        if key in ("kind", "action", "account", "times", "which", "seconds") and value is not None
    }
    print(json.dumps(ask("fault", query), indent=2))


def parse(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local_cloud", description="The stand-in for AWS on this machine.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, run, text in (
        ("up", up, "start it, unless it runs, and print what to export"),
        ("down", down, "remove everything of it"),
        ("status", status, "say what runs"),
        ("addresses", addresses, "load balancers and instances, as JSON"),
        ("fault", fault, "make something go wrong"),
    ):
        command = commands.add_parser(name, help=text)
        command.set_defaults(run=run)
        if name == "up":
            default = os.environ.get("CLOCK_FACTOR", "10")
            command.add_argument("--clock-factor", default=default, help="divides AWS's own waits, never boot or requests (default 10)")
        if name == "fault":
            command.add_argument("kind", choices=["throttle", "fail", "capacity", "slow", "away", "clear"])
            command.add_argument("--action", help="API action, resource type or `metadata`; all actions when absent; `each` for every action once")
            command.add_argument("--account", help="dev, prod, bastion or dns; all when absent")
            command.add_argument("--times", type=int, help="how many calls or launches (default 1)")
            command.add_argument("--which", help="instance type or zone whose capacity is refused; all when absent")
            command.add_argument("--seconds", type=float, help="how long the API is away, or how much slower a resource is (default 60)")
    return parser.parse_args(words)


def main(words: Sequence[str]) -> int:
    arguments = parse(words)
    try:
        arguments.run(arguments)
    except Failed as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
