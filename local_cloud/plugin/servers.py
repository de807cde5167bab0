"""Servers that AWS runs for its customers, as containers: in a subnet group's VPC, under the endpoint's name, with a status that is true.

A server that dies is started again with its data: PostgreSQL's lie in the container's own volume, which goes when the container is removed.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ministack.services import ec2

from local_cloud.plugin import balancers, emulator, engine, fabric, settings
from local_cloud.plugin.requests import Refused

log = logging.getLogger("local_cloud.servers")
Record = dict[str, Any]
START_SECONDS = 120
KINDS = ("database", "cache")


@dataclass
class Server:
    """One container. `ready` is asked in it; `publish` writes a status into its record."""

    container: str
    kind: str
    place: fabric.Place
    groups: list[str]
    ready: tuple[str, ...]
    publish: Callable[[str], None]
    account: str
    present: Callable[[], bool]


running: dict[str, Server] = {}


def short(*parts: str) -> str:
    return hashlib.sha256("/".join(parts).encode()).hexdigest()[:12]


def launch(server: Server, endpoint: str, aliases: tuple[str, ...], files: Mapping[str, str]) -> None:
    """Create and start in the background; the record says `creating` until the server answers."""
    engine.remove(server.container)
    engine.create_container(
        server.container,
        settings.image(server.kind),
        network=server.place.network,
        ip=server.place.address,
        aliases=[endpoint, *aliases],
        cpu_shares=settings.SHARES_OF_A_PROCESSOR,
        labels={settings.LABEL_ROLE: server.kind, settings.LABEL_ACCOUNT: server.account},
    )
    for path, content in files.items():
        engine.put_file(server.container, path, content, mode=0o600)
    running[server.container] = server
    run(server)


def run(server: Server) -> None:
    """Start (again), join the network, wait until it answers."""

    def answers() -> bool:
        if not server.present():
            return True
        try:
            return engine.exec_in(server.container, server.ready, check=False)[0] == 0
        except engine.EngineError:
            return False

    engine.start(server.container)
    fabric.enroll(server.container, server.place.subnet_id, server.groups)
    balancers.wait_until(answers, START_SECONDS, f"start {server.container}")
    server.publish("available")


def in_background(server: Server, work: Callable[[], None]) -> None:
    def scoped() -> None:
        with emulator.scope(server.account):
            try:
                work()
            except Exception:
                log.exception("Failed to run %s", server.container)
                server.publish("failed")

    threading.Thread(target=scoped, name=server.container, daemon=True).start()


def remove(container: str) -> None:
    server = running.pop(container, None)
    if server:
        engine.remove(container)
        fabric.withdraw(container)
        fabric.release(server.place)


def _died(name: str, labels: Mapping[str, str], exit_code: int) -> None:
    """Ended from outside: as at AWS it is started again, with its data."""
    server = running.get(name)
    if server and server.present():
        log.warning("%s died with exit code %s: start it again", name, exit_code)
        server.publish("rebooting" if server.kind == "database" else "creating")
        in_background(server, lambda: run(server))


def _subnets(members: list[Record]) -> Iterator[str]:
    for item in members:
        name = item.get("SubnetIdentifier") or item.get("SubnetId")
        if name in ec2._subnets:
            yield str(name)


def first_subnet(members: list[Record], group: str) -> str:
    found = next(_subnets(members), None)
    if found is None:
        raise Refused("InvalidParameterValue", f"The subnet group '{group}' has no subnet of a VPC here: give one that a stack made.")
    return found


def groups_or_default(given: list[str], subnet_id: str) -> list[str]:
    return given or [ec2._vpcs[ec2._subnets[subnet_id]["VpcId"]]["DefaultSecurityGroupId"]]


def install() -> None:
    engine.on_died(_died)


def start() -> None:
    for kind in KINDS:
        for stale in engine.containers(twine__role=kind):
            engine.remove(stale.name)
