"""RDS and ElastiCache as real servers: a PostgreSQL or a Redis in the subnet group's VPC, under its endpoint's name.

The emulator keeps the records; here they get an endpoint, a container, and a status that is true. A server that dies is
started again with its data: PostgreSQL's lie in the container's own volume, which goes when the container is removed.
"""

from __future__ import annotations

import hashlib
import json
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ministack.services import ec2, elasticache, rds

from local_cloud.plugin import balancers, emulator, engine, fabric, settings
from local_cloud.plugin.requests import Refused

log = logging.getLogger("local_cloud.databases")
Record = dict[str, Any]
Response = tuple[int, dict[str, str], bytes]
START_SECONDS = 120
# Memory of an instance class in GiB; RDS allows one connection for each 9,531,392 bytes of it.
CLASSES = {"micro": 1, "small": 2, "medium": 4, "large": 8, "xlarge": 16, "2xlarge": 32}
OWN_PARAMETERS = ("rds.force_ssl", "rds.log_retention_period", "rds.logical_replication")


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


_servers: dict[str, Server] = {}


def max_connections(instance_class: str) -> int:
    """RDS's default: LEAST(DBInstanceClassMemory / 9531392, 5000), of which the machine itself takes about a fifth."""
    size = instance_class.rpartition(".")[2]
    if size not in CLASSES:
        raise Refused("InvalidParameterValue", f"Invalid DB Instance class: {instance_class}. Sizes here: {', '.join(CLASSES)}.")
    return min(5000, int(CLASSES[size] * 0.8 * (1 << 30) / 9531392))


def _short(*parts: str) -> str:
    return hashlib.sha256("/".join(parts).encode()).hexdigest()[:12]


# --- servers ------------------------------------------------------------------------------------------------------


def _launch(server: Server, endpoint: str, aliases: tuple[str, ...], files: Mapping[str, str]) -> None:
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
    _servers[server.container] = server
    _run(server)


def _run(server: Server) -> None:
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


def _in_background(server: Server, work: Callable[[], None]) -> None:
    def scoped() -> None:
        with emulator.scope(server.account):
            try:
                work()
            except Exception:
                log.exception("Failed to run %s", server.container)
                server.publish("failed")

    threading.Thread(target=scoped, name=server.container, daemon=True).start()


def _remove(container: str) -> None:
    server = _servers.pop(container, None)
    if server:
        engine.remove(container)
        fabric.withdraw(container)
        fabric.release(server.place)


def _died(name: str, labels: Mapping[str, str], exit_code: int) -> None:
    """Ended from outside: as at AWS it is started again, with its data."""
    server = _servers.get(name)
    if server and server.present():
        log.warning("%s died with exit code %s: start it again", name, exit_code)
        server.publish("rebooting" if server.kind == "database" else "creating")
        _in_background(server, lambda: _run(server))


def _subnets(members: list[Record]) -> Iterator[str]:
    for item in members:
        name = item.get("SubnetIdentifier") or item.get("SubnetId")
        if name in ec2._subnets:
            yield str(name)


def _first_subnet(members: list[Record], group: str) -> str:
    found = next(_subnets(members), None)
    if found is None:
        raise Refused("InvalidParameterValue", f"The subnet group '{group}' has no subnet of a VPC here: give one that a stack made.")
    return found


def _groups_or_default(given: list[str], subnet_id: str) -> list[str]:
    return given or [ec2._vpcs[ec2._subnets[subnet_id]["VpcId"]]["DefaultSecurityGroupId"]]


# --- RDS ----------------------------------------------------------------------------------------------------------


def _refuse_database(given: Mapping[str, Any]) -> None:
    engine_name = given.get("Engine", "postgres")
    if engine_name != "postgres" or not str(given.get("EngineVersion", "15")).startswith("15"):
        raise Refused("InvalidParameterValue", f"The local cloud has postgres 15, not {engine_name} {given.get('EngineVersion', '')}.")
    for name in (
        "DBClusterIdentifier",
        "SourceDBInstanceIdentifier",
        "DBSnapshotIdentifier",
        "EnableIAMDatabaseAuthentication",
        "ManageMasterUserPassword",
    ):
        if str(given.get(name) or "false").lower() != "false":
            raise Refused("InvalidParameterCombination", f"{name} is not to be had in the local cloud.")
    if not given.get("MasterUserPassword") or not given.get("MasterUsername"):
        raise Refused("InvalidParameterValue", "MasterUsername and MasterUserPassword are required.")
    max_connections(given.get("DBInstanceClass", "db.t3.micro"))


def _parameters(record: Record) -> tuple[dict[str, str], bool]:
    """The server's settings from class and parameter group, and whether TLS is demanded."""
    found = {"max_connections": str(max_connections(record["DBInstanceClass"])), "ssl": "on", "shared_buffers": "128MB"}
    chosen: dict[str, str] = {}
    for group in record.get("DBParameterGroups", []):
        stored = rds._param_groups.get(group["DBParameterGroupName"], {})
        for name, parameter in (stored.get("Parameters") or stored.get("_parameters") or {}).items():
            value = parameter.get("ParameterValue") if isinstance(parameter, dict) else parameter
            source = parameter.get("Source", "user") if isinstance(parameter, dict) else "user"
            if value not in (None, "") and source == "user":
                chosen[name] = str(value)
    force = chosen.get("rds.force_ssl", "0") == "1"
    found |= {name: value for name, value in chosen.items() if name not in OWN_PARAMETERS and "{" not in value}
    return found, force


def _start_database(record: Record) -> None:
    """Give a fresh record its endpoint and its server."""
    name, owner = record["DBInstanceIdentifier"], emulator.account()
    subnet_group = rds._subnet_groups.get(record["DBSubnetGroup"]["DBSubnetGroupName"], record["DBSubnetGroup"])
    subnet_id = _first_subnet(subnet_group["Subnets"], subnet_group["DBSubnetGroupName"])
    place = fabric.place(subnet_id)
    endpoint = f"{name}.c{_short(owner, name)}.{settings.REGION}.rds.amazonaws.com"
    record["Endpoint"] = {**record["Endpoint"], "Address": endpoint, "Port": 5432}
    record["DBInstanceStatus"] = "creating"
    values, force = _parameters(record)
    master = {"user": record["MasterUsername"], "password": record["_MasterUserPassword"], "database": record["DBName"] or "postgres"}
    server = Server(
        f"{settings.PREFIX}-db-{owner[0]}-{name}",
        "database",
        place,
        _groups_or_default([item["VpcSecurityGroupId"] for item in record.get("VpcSecurityGroups") or []], subnet_id),
        ("pg_isready", "--quiet", "--host", "/run/postgresql"),
        lambda status: record.update(DBInstanceStatus=status),
        owner,
        lambda: rds._instances.get_scoped(owner, settings.REGION, name) is record,
    )
    specification = json.dumps({"master": master, "settings": values, "force_ssl": force})
    _in_background(server, lambda: _launch(server, endpoint, (), {"/etc/database.json": specification}))


def _wait_for_database(record: Record) -> None:
    balancers.wait_until(lambda: record["DBInstanceStatus"] != "creating", START_SECONDS, f"start {record['DBInstanceIdentifier']}")
    if record["DBInstanceStatus"] != "available":
        raise ValueError(f"Failed to start the database {record['DBInstanceIdentifier']}: look at its container's log.")


def _create_database(params: dict[str, Any]) -> Response:
    given = emulator.request().input
    _refuse_database(given)
    response: Response = rds._create_db_instance(params)
    if response[0] >= 400:
        return response
    record = rds._instances[given["DBInstanceIdentifier"]]
    record["DBName"] = given.get("DBName", "")
    try:
        _start_database(record)
    except Refused:
        rds._instances.pop(given["DBInstanceIdentifier"], None)
        raise
    described: Response = rds._single_instance_response("CreateDBInstanceResponse", "CreateDBInstanceResult", record)
    return described


def _delete_database(params: dict[str, Any]) -> Response:
    name = emulator.request().input["DBInstanceIdentifier"]
    response: Response = rds._delete_db_instance(params)
    if response[0] < 400:
        _remove(f"{settings.PREFIX}-db-{emulator.account()[0]}-{name}")
    return response


def _change_database(record: Record, password: str | None) -> None:
    """Bring the server to its changed record: password at once, groups at once, settings by a restart when they moved."""
    container = f"{settings.PREFIX}-db-{emulator.account()[0]}-{record['DBInstanceIdentifier']}"
    server = _servers[container]
    wanted = [item["VpcSecurityGroupId"] for item in record.get("VpcSecurityGroups") or []]
    if wanted and sorted(wanted) != sorted(server.groups):
        server.groups = wanted
        fabric.set_groups(container, wanted)
    if password:
        # The statement comes by a file that only root reads: no password in an argument list.
        escaped = password.replace("'", "''")
        user = record["MasterUsername"].replace('"', '""')
        engine.put_file(container, "/etc/password.sql", f"ALTER ROLE \"{user}\" PASSWORD '{escaped}';\n", mode=0o600)
        engine.exec_in(
            container, ["sh", "-c", "psql --quiet --username=rdsadmin --host=/run/postgresql postgres < /etc/password.sql && rm /etc/password.sql"]
        )
    values, force = _parameters(record)
    before = json.loads(engine.exec_in(container, ["cat", "/etc/database.json"])[1])
    if (before["settings"], before["force_ssl"]) != (values, force):
        engine.put_file(container, "/etc/database.json", json.dumps({**before, "settings": values, "force_ssl": force}), mode=0o600)
        reboot_database(record["DBInstanceIdentifier"])


def reboot_database(name: str) -> None:
    server = _servers[f"{settings.PREFIX}-db-{emulator.account()[0]}-{name}"]
    server.publish("rebooting")
    engine.stop(server.container)  # its death starts it again


def _modify_database(params: dict[str, Any]) -> Response:
    given = emulator.request().input
    password = given.get("MasterUserPassword")
    # The emulator would look for a server of its own to tell.
    response: Response = rds._modify_db_instance({key: value for key, value in params.items() if key != "MasterUserPassword"})
    if response[0] < 400:
        record = rds._instances[given["DBInstanceIdentifier"]]
        record["_MasterUserPassword"] = password or record["_MasterUserPassword"]
        _change_database(record, password)
    return response


def _reboot(params: dict[str, Any]) -> Response:
    response: Response = rds._reboot_db_instance(params)
    if response[0] < 400:
        reboot_database(emulator.request().input["DBInstanceIdentifier"])
    return response


def _stack_database(original: Callable[..., Any], logical_id: str, props: Mapping[str, Any], stack_name: str) -> Any:
    _refuse_database(props)
    name, _attributes = original(logical_id, props, stack_name)
    record = rds._instances[name]
    record["DBName"] = props.get("DBName", "")
    try:
        _start_database(record)
        _wait_for_database(record)
    except (Refused, ValueError):
        rds._instances.pop(name, None)
        _remove(f"{settings.PREFIX}-db-{emulator.account()[0]}-{name}")
        raise
    endpoint = record["Endpoint"]
    found = {"Endpoint.Address": endpoint["Address"], "Endpoint.Port": str(endpoint["Port"])}
    return name, {**found, "DbiResourceId": record["DbiResourceId"], "DBInstanceArn": record["DBInstanceArn"]}


def _stack_database_change(original: Callable[..., Any], physical_id: str, old: Mapping[str, Any], new: Mapping[str, Any], *rest: Any) -> Any:
    _refuse_database(new)
    changed = original(physical_id, old, new, *rest)
    if changed[0] == physical_id:
        password = new["MasterUserPassword"] if new["MasterUserPassword"] != old.get("MasterUserPassword") else None
        _change_database(rds._instances[physical_id], password)
        balancers.wait_until(lambda: rds._instances[physical_id]["DBInstanceStatus"] == "available", START_SECONDS, f"change {physical_id}")
    return changed


def _stack_database_gone(original: Callable[..., Any], physical_id: str, props: Mapping[str, Any]) -> None:
    if rds._instances.get(physical_id, {}).get("DeletionProtection"):
        raise ValueError(f"Cannot delete protected DB Instance {physical_id}, please disable deletion protection and try again.")
    original(physical_id, props)
    _remove(f"{settings.PREFIX}-db-{emulator.account()[0]}-{physical_id}")


# --- ElastiCache --------------------------------------------------------------------------------------------------


def _refuse_cache(given: Mapping[str, Any]) -> None:
    if given.get("Engine", "redis") != "redis" or not str(given.get("EngineVersion", "7")).startswith("7"):
        raise Refused("InvalidParameterValue", f"The local cloud has redis 7, not {given.get('Engine')} {given.get('EngineVersion', '')}.")
    for name in ("TransitEncryptionEnabled", "AuthToken", "UserGroupIds"):
        if str(given.get(name) or "false").lower() not in ("false", "[]"):
            raise Refused("InvalidParameterCombination", f"{name} is not to be had in the local cloud: leave it out or switch it off here.")
    if int(given.get("NumNodeGroups") or 1) > 1 or given.get("ClusterMode", "disabled") == "enabled":
        raise Refused("InvalidParameterCombination", "Cluster mode is not to be had in the local cloud.")


def _start_cache(name: str, groups: list[str], subnet_group: str, record: Record, status_key: str) -> None:
    owner = emulator.account()
    stored = elasticache._subnet_groups.get(subnet_group, {})
    subnet_id = _first_subnet(stored.get("Subnets", []), subnet_group)
    endpoint = f"{name}.{_short(owner, name)[:6]}.ng.0001.euw2.cache.amazonaws.com"
    reader = endpoint.replace(".ng.", "-ro.ng.")
    place = {"Address": endpoint, "Port": 6379}
    for node_group in record.get("NodeGroups", []):
        node_group |= {"PrimaryEndpoint": place, "ReaderEndpoint": {**place, "Address": reader}}
        for member in node_group["NodeGroupMembers"]:
            member["ReadEndpoint"] = place
    for cluster in [record, *(elasticache._clusters[item] for item in record.get("MemberClusters", []))]:
        if "CacheNodes" in cluster:
            elasticache._publish_endpoint(cluster, endpoint, 6379)
    record[status_key] = "creating"
    server = Server(
        f"{settings.PREFIX}-cache-{owner[0]}-{name}",
        "cache",
        fabric.place(subnet_id),
        _groups_or_default(groups, subnet_id),
        ("redis-cli", "ping"),
        lambda status: record.update({status_key: status}),
        owner,
        lambda: any(r is record for r in (*elasticache._replication_groups.all_values(), *elasticache._clusters.all_values())),
    )
    _in_background(server, lambda: _launch(server, endpoint, (reader,), {}))


def _create_replicated(params: dict[str, Any]) -> Response:
    """As a request of the API, and as the emulator's CloudFormation handler calls it: parameters are flat both times."""
    flat = {key: value[0] if isinstance(value, list) else value for key, value in params.items()}
    _refuse_cache(flat | {"UserGroupIds": flat.get("UserGroupIds.member.1", "")})
    response: Response = _originals["group"](flat)
    name = flat["ReplicationGroupId"]
    if response[0] < 400:
        record = elasticache._replication_groups[name]
        groups = [item["SecurityGroupId"] for item in record["SecurityGroups"]]
        _start_or_forget(lambda: _start_cache(name, groups, record["CacheSubnetGroupName"], record, "Status"), lambda: _originals["ungroup"](flat))
    return response


def _create_cluster(params: dict[str, Any]) -> Response:
    flat = {key: value[0] if isinstance(value, list) else value for key, value in params.items()}
    _refuse_cache(flat)
    response: Response = _originals["cluster"](flat)
    name = flat["CacheClusterId"]
    if response[0] < 400:
        record = elasticache._clusters[name]
        groups = [value for key, value in sorted(flat.items()) if key.startswith(("SecurityGroupIds.member.", "SecurityGroupIds.SecurityGroupId."))]
        _start_or_forget(
            lambda: _start_cache(name, groups, record["CacheSubnetGroupName"], record, "CacheClusterStatus"), lambda: _originals["uncluster"](flat)
        )
    return response


def _start_or_forget(start_it: Callable[[], None], forget: Callable[[], Any]) -> None:
    try:
        start_it()
    except Refused:
        forget()
        raise


def _deleting(kind: str, key: str) -> Callable[[dict[str, Any]], Response]:
    def handler(params: dict[str, Any]) -> Response:
        name = params[key][0] if isinstance(params[key], list) else params[key]
        response: Response = _originals[kind](params)
        if response[0] < 400:
            _remove(f"{settings.PREFIX}-cache-{emulator.account()[0]}-{name}")
        return response

    return handler


def _stack_replicated(original: Callable[..., Any], logical_id: str, props: Mapping[str, Any], stack_name: str) -> Any:
    name, found = original(logical_id, props, stack_name)
    record = elasticache._replication_groups[name]
    balancers.wait_until(lambda: record["Status"] == "available", START_SECONDS, f"start the cache {name}")
    return name, found


# --- beginnings ---------------------------------------------------------------------------------------------------

_originals: dict[str, Callable[[dict[str, Any]], Response]] = {
    "group": elasticache._create_replication_group,
    "ungroup": elasticache._delete_replication_group,
    "cluster": elasticache._create_cache_cluster,
    "uncluster": elasticache._delete_cache_cluster,
}


def install() -> None:
    for action, handler in {
        "CreateDBInstance": _create_database,
        "DeleteDBInstance": _delete_database,
        "ModifyDBInstance": _modify_database,
        "RebootDBInstance": _reboot,
    }.items():
        emulator.replace_action("rds", action, handler, blocking=True)
    emulator.wrap_type("AWS::RDS::DBInstance", create=_stack_database, update=_stack_database_change, delete=_stack_database_gone, blocking=True)
    # The emulator's API and its CloudFormation types both look these up in the module when they are called.
    elasticache._create_replication_group, elasticache._create_cache_cluster = _create_replicated, _create_cluster
    elasticache._delete_replication_group = _deleting("ungroup", "ReplicationGroupId")
    elasticache._delete_cache_cluster = _deleting("uncluster", "CacheClusterId")
    emulator.wrap_type("AWS::ElastiCache::ReplicationGroup", create=_stack_replicated, blocking=True)
    engine.on_died(_died)


def start() -> None:
    for kind in ("database", "cache"):
        for stale in engine.containers(twine__role=kind):
            engine.remove(stale.name)
