"""Containers and networks, through Docker's HTTP API on its socket.

The API, not the command line: a call costs 2 ms instead of 60, and a container that runs systemd needs unmasked system
paths, which the API takes as empty lists. Only containers and networks labelled with this checkout are listed.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import socket
import tarfile
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from local_cloud.plugin import settings

SOCKET = "/var/run/docker.sock"
API = "/v1.41"


class EngineError(Exception):
    """Docker refused a call. `status` is its HTTP status."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Container:
    """A container as Docker describes it. `networks` maps network name to IPv4 address."""

    id: str
    name: str
    image: str
    status: str  # created, running, paused, restarting, exited, dead
    pid: int
    exit_code: int
    labels: Mapping[str, str] = field(default_factory=dict)
    networks: Mapping[str, str] = field(default_factory=dict)

    @property
    def running(self) -> bool:
        return self.status == "running"


@dataclass(frozen=True)
class Image:
    """An image of this checkout. `id` is the full sha256 hex without its prefix."""

    id: str
    tags: tuple[str, ...]
    labels: Mapping[str, str]
    created: int
    size: int


class _Connection(http.client.HTTPConnection):
    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(SOCKET)


def _send(method: str, path: str, body: bytes | None, content_type: str, timeout: float | None) -> http.client.HTTPResponse:
    connection = _Connection("docker", timeout=timeout)
    connection.request(method, API + path, body=body, headers={"Content-Type": content_type})
    response = connection.getresponse()
    if response.status >= 400:
        text = response.read().decode(errors="replace")
        connection.close()
        with contextlib.suppress(ValueError, KeyError):
            text = json.loads(text)["message"]
        raise EngineError(text.strip(), response.status)
    return response


def call(method: str, resource: str, body: Any = None, /, *, timeout: float | None = 120, **query: Any) -> Any:
    """One API call. A dict or list body is sent as JSON, bytes as a tar archive; JSON comes back, or raw bytes."""
    pairs = {k: json.dumps(v) if isinstance(v, (dict, list, bool)) else str(v) for k, v in query.items() if v is not None}
    url = resource + ("?" + urllib.parse.urlencode(pairs) if pairs else "")
    raw = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    kind = "application/x-tar" if isinstance(body, bytes) else "application/json"
    with _send(method, url, raw, kind, timeout) as response:
        data = response.read()
        if response.headers.get("Content-Type", "").startswith("application/json"):
            return json.loads(data) if data.strip() else None
        return data


def _labels(extra: Mapping[str, str]) -> dict[str, str]:
    return {settings.LABEL_CHECKOUT: settings.CHECKOUT, settings.LABEL_PART: settings.PART, **extra}


def _filters(labels: Mapping[str, str]) -> dict[str, list[str]]:
    return {"label": [f"{key}={value}" if value else key for key, value in labels.items()]}


# --- containers ---------------------------------------------------------------------------------------------------


def _systemd(config: dict[str, Any]) -> None:
    """What a container needs to run Debian 12's systemd: it writes the host's cgroups, and redis-server's unit needs SYS_PTRACE."""
    config["CapAdd"] += ["SYS_ADMIN", "NET_ADMIN", "SYS_PTRACE"]
    config["SecurityOpt"] = ["seccomp=unconfined", "apparmor=unconfined"]
    config["MaskedPaths"] = config["ReadonlyPaths"] = []
    config["CgroupnsMode"] = "host"
    config["Binds"].append("/sys/fs/cgroup:/sys/fs/cgroup:rw")
    config["Tmpfs"] = {"/run": "", "/run/lock": ""}


def create_container(
    name: str,
    image: str,
    *,
    network: str,
    ip: str | None = None,
    aliases: Sequence[str] = (),
    cpus: float = 0,
    cpu_shares: int = 0,
    memory: str = "",
    labels: Mapping[str, str] | None = None,
    command: Sequence[str] = (),
    systemd: bool = False,
    publish: Mapping[int, int] | None = None,
    mounts: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    capabilities: Sequence[str] = (),
    hostname: str = "",
) -> str:
    """Create without starting, for files to be put in first. `publish` maps container port to a port of 127.0.0.1."""
    ports = {f"{inside}/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(outside)}] for inside, outside in (publish or {}).items()}
    size = int(float(memory[:-1]) * {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30}[memory[-1].lower()]) if memory else 0
    config: dict[str, Any] = {"NetworkMode": network, "PortBindings": ports, "Binds": list(mounts), "CapAdd": list(capabilities)}
    config |= {"NanoCpus": int(cpus * 1e9), "CpuShares": cpu_shares, "Memory": size, "MemorySwap": size}
    body: dict[str, Any] = {
        "Image": image,
        "Hostname": hostname,
        "Labels": _labels(labels or {}),
        "Env": [f"{key}={value}" for key, value in (env or {}).items()],
        "ExposedPorts": {port: {} for port in ports},
        "HostConfig": config,
        "NetworkingConfig": {"EndpointsConfig": {network: _endpoint(ip, aliases)}},
    }
    if systemd:
        _systemd(config)
        body |= {"StopSignal": "SIGRTMIN+3", "Tty": True}  # a terminal, or systemd has no console to speak to
    if argv := list(command) or (["/sbin/init"] if systemd else []):
        body |= {"Entrypoint": argv[:1], "Cmd": argv[1:]}
    return str(call("POST", "/containers/create", body, name=name)["Id"])


def _endpoint(ip: str | None, aliases: Sequence[str]) -> dict[str, Any]:
    return {"Aliases": list(aliases), "IPAMConfig": {"IPv4Address": ip} if ip else None}


def start(name: str) -> Container:
    call("POST", f"/containers/{name}/start")
    return must_inspect(name)


def run_container(name: str, image: str, **options: Any) -> Container:
    """`docker run -d`: create_container's options, then start. A container that does not start leaves nothing behind."""
    create_container(name, image, **options)
    try:
        return start(name)
    except EngineError:
        remove(name)
        raise


def stop(name: str, grace: float = 30) -> None:
    """Ask it to halt (systemd: a clean shutdown) and kill it after `grace` seconds."""
    try:
        call("POST", f"/containers/{name}/stop", t=int(grace), timeout=grace + 60)
    except EngineError as error:
        if error.status not in (304, 404):
            raise


def kill(name: str, signal: str = "KILL") -> None:
    call("POST", f"/containers/{name}/kill", signal=signal)


def remove(name: str) -> None:
    """Kill and remove; a missing container is fine."""
    try:
        call("DELETE", f"/containers/{name}", force=True, v=True)
    except EngineError as error:
        if error.status not in (404, 409):
            raise


def restart(name: str, grace: float = 30) -> Container:
    call("POST", f"/containers/{name}/restart", t=int(grace), timeout=grace + 60)
    return must_inspect(name)


def inspect(name: str) -> Container | None:
    """The container, or None when there is none."""
    try:
        raw = call("GET", f"/containers/{name}/json")
    except EngineError as error:
        if error.status == 404:
            return None
        raise
    state = raw["State"]
    return Container(
        id=raw["Id"],
        name=raw["Name"].lstrip("/"),
        image=raw["Config"]["Image"],
        status=state["Status"],
        pid=state["Pid"],
        exit_code=state["ExitCode"],
        labels=raw["Config"]["Labels"] or {},
        networks={name: end["IPAddress"] for name, end in raw["NetworkSettings"]["Networks"].items()},
    )


def must_inspect(name: str) -> Container:
    found = inspect(name)
    if found is None:
        raise EngineError(f"No such container: {name}", 404)
    return found


def containers(**labels: str) -> list[Container]:
    """This checkout's containers with these labels (dots in a label's name are written `__`), stopped ones included."""
    wanted = {key.replace("__", "."): value for key, value in labels.items()}
    found = call("GET", "/containers/json", all=True, filters=_filters(_labels(wanted)))
    return [container for item in found if (container := inspect(item["Id"]))]


def exec_in(name: str, command: Sequence[str], *, check: bool = True, user: str = "", timeout: float = 60) -> tuple[int, str]:
    """Run a command in a container: exit code and output (both streams). With `check`, a failure raises."""
    created = call("POST", f"/containers/{name}/exec", {"Cmd": list(command), "AttachStdout": True, "AttachStderr": True, "User": user})
    raw = call("POST", f"/exec/{created['Id']}/start", {"Detach": False, "Tty": False}, timeout=timeout)
    output = b"".join(_frames(raw)).decode(errors="replace")
    code = int(call("GET", f"/exec/{created['Id']}/json")["ExitCode"])
    if check and code:
        raise EngineError(f"Failed to run {' '.join(command)} in {name}: exit code {code}: {output.strip()[-2000:]}", 500)
    return code, output


def console(name: str, lines: int = 200) -> str:
    """What systemd and its units said on the console of a container; nothing of one that is not there yet, or no more."""
    try:
        raw: bytes = call("GET", f"/containers/{name}/logs", stdout=True, stderr=True, tail=lines)
    except EngineError as error:
        if error.status == 404:
            return ""
        raise
    return raw.decode(errors="replace")


def _frames(raw: bytes) -> Iterator[bytes]:
    """Docker multiplexes both streams: eight bytes of header, the last four the length, then the data."""
    at = 0
    while at + 8 <= len(raw):
        size = int.from_bytes(raw[at + 4 : at + 8], "big")
        yield raw[at + 8 : at + 8 + size]
        at += 8 + size


def put_file(name: str, path: str, content: bytes | str, *, mode: int = 0o644, uid: int = 0, gid: int = 0) -> None:
    """Write one file into a container, running or not. Its folder must exist; not for a tmpfs such as /run."""
    folder, _separator, base = path.rpartition("/")
    data = content.encode() if isinstance(content, str) else content
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        info = tarfile.TarInfo(base)
        info.size, info.mode, info.uid, info.gid, info.mtime = len(data), mode, uid, gid, int(time.time())
        archive.addfile(info, io.BytesIO(data))
    call("PUT", f"/containers/{name}/archive", buffer.getvalue(), path=folder or "/")


# --- networks and images ------------------------------------------------------------------------------------------


def create_network(name: str, cidr: str, gateway: str, labels: Mapping[str, str] | None = None) -> None:
    """A bridge that does not masquerade: the fabric routes, and sources must be seen as they are."""
    call(
        "POST",
        "/networks/create",
        {
            "Name": name,
            "CheckDuplicate": True,
            "IPAM": {"Config": [{"Subnet": cidr, "Gateway": gateway}]},
            "Options": {"com.docker.network.bridge.enable_ip_masquerade": "false"},
            "Labels": _labels(labels or {}),
        },
    )


def remove_network(name: str) -> None:
    """Remove a network with whatever is still attached to it detached; a missing one is fine."""
    try:
        for attached in call("GET", f"/networks/{name}").get("Containers", {}):
            call("POST", f"/networks/{name}/disconnect", {"Container": attached, "Force": True})
        call("DELETE", f"/networks/{name}")
    except EngineError as error:
        if error.status != 404:
            raise


def connect(network: str, container: str, ip: str | None = None, aliases: Sequence[str] = ()) -> None:
    call("POST", f"/networks/{network}/connect", {"Container": container, "EndpointConfig": _endpoint(ip, aliases)})


def images() -> list[Image]:
    """This checkout's images, newest first."""
    found = call("GET", "/images/json", filters=_filters({settings.LABEL_CHECKOUT: settings.CHECKOUT}))
    made = [
        Image(item["Id"].removeprefix("sha256:"), tuple(item["RepoTags"] or ()), item["Labels"] or {}, item["Created"], item["Size"])
        for item in found
    ]
    return sorted(made, key=lambda image: image.created, reverse=True)


def image(name: str) -> Image | None:
    """The image of this name, whoever made it, or None when there is none."""
    try:
        raw = call("GET", f"/images/{name}/json")
    except EngineError as error:
        if error.status == 404:
            return None
        raise
    created = int(datetime.fromisoformat(raw["Created"][:19] + "+00:00").timestamp())
    return Image(raw["Id"].removeprefix("sha256:"), tuple(raw["RepoTags"] or ()), raw["Config"]["Labels"] or {}, created, raw["Size"])


def commit(container: str, repository: str, tag_name: str, labels: Mapping[str, str]) -> str:
    """An image of a stopped container, which keeps the container's labels but for these; its name."""
    call("POST", "/commit", {"Labels": dict(labels)}, timeout=600, container=container, repo=repository, tag=tag_name)
    return f"{repository}:{tag_name}"


def tag(existing: str, repository: str, tag_name: str) -> str:
    """One more name of an image, which is there as long as it has one."""
    call("POST", f"/images/{existing}/tag", repo=repository, tag=tag_name)
    return f"{repository}:{tag_name}"


def remove_image(name: str) -> None:
    """Take a name away, and the image with its last; a missing one, or one whose containers still run, is fine."""
    try:
        call("DELETE", f"/images/{name}")
    except EngineError as error:
        if error.status not in (404, 409):
            raise


# --- what happens to containers -----------------------------------------------------------------------------------

Died = Callable[[str, Mapping[str, str], int], None]
_on_died: list[Died] = []


def on_died(callback: Died) -> None:
    """Call back with (container name, labels, exit code) whenever a container of this checkout's dies, whoever killed it."""
    _on_died.append(callback)


def watch() -> None:
    """Start the thread that follows Docker's events. Called once by the launcher."""
    threading.Thread(target=_follow, name="docker-events", daemon=True).start()


def _follow() -> None:
    query = urllib.parse.urlencode({"filters": json.dumps({"event": ["die"], **_filters(_labels({}))})})
    while True:
        try:
            with _send("GET", f"/events?{query}", None, "application/json", None) as response:
                for line in response:
                    actor = json.loads(line)["Actor"]["Attributes"]
                    for callback in _on_died:
                        callback(actor["name"], actor, int(actor.get("exitCode", 0)))
        except (OSError, EngineError, ValueError):
            time.sleep(1)  # Docker restarts: nothing to wait on but time
