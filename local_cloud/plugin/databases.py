"""RDS as a real PostgreSQL: the emulator keeps the records, here they get an endpoint, a container, and a status that is true."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from ministack.services import rds

from local_cloud.plugin import balancers, emulator, engine, fabric, servers, settings
from local_cloud.plugin.requests import Refused
from local_cloud.plugin.servers import Record

Response = tuple[int, dict[str, str], bytes]
# Memory of an instance class in GiB; RDS allows one connection for each 9,531,392 bytes of it.
CLASSES = {"micro": 1, "small": 2, "medium": 4, "large": 8, "xlarge": 16, "2xlarge": 32}
OWN_PARAMETERS = ("rds.force_ssl", "rds.log_retention_period", "rds.logical_replication")


def max_connections(instance_class: str) -> int:
    """RDS's default: LEAST(DBInstanceClassMemory / 9531392, 5000), of which the machine itself takes about a fifth."""
    size = instance_class.rpartition(".")[2]
    if size not in CLASSES:
        raise Refused("InvalidParameterValue", f"Invalid DB Instance class: {instance_class}. Sizes here: {', '.join(CLASSES)}.")
    return min(5000, int(CLASSES[size] * 0.8 * (1 << 30) / 9531392))


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
    subnet_id = servers.first_subnet(subnet_group["Subnets"], subnet_group["DBSubnetGroupName"])
    place = fabric.place(subnet_id)
    endpoint = f"{name}.c{servers.short(owner, name)}.{settings.REGION}.rds.amazonaws.com"
    record["Endpoint"] = {**record["Endpoint"], "Address": endpoint, "Port": 5432}
    record["DBInstanceStatus"] = "creating"
    values, force = _parameters(record)
    master = {"user": record["MasterUsername"], "password": record["_MasterUserPassword"], "database": record["DBName"] or "postgres"}
    server = servers.Server(
        f"{settings.PREFIX}-db-{owner[0]}-{name}",
        "database",
        place,
        servers.groups_or_default([item["VpcSecurityGroupId"] for item in record.get("VpcSecurityGroups") or []], subnet_id),
        ("pg_isready", "--quiet", "--host", "/run/postgresql"),
        lambda status: record.update(DBInstanceStatus=status),
        owner,
        lambda: rds._instances.get_scoped(owner, settings.REGION, name) is record,
    )
    specification = json.dumps({"master": master, "settings": values, "force_ssl": force})
    servers.in_background(server, lambda: servers.launch(server, endpoint, (), {"/etc/database.json": specification}))


def _wait_for_database(record: Record) -> None:
    balancers.wait_until(lambda: record["DBInstanceStatus"] != "creating", servers.START_SECONDS, f"start {record['DBInstanceIdentifier']}")
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
        servers.remove(f"{settings.PREFIX}-db-{emulator.account()[0]}-{name}")
    return response


def _change_database(record: Record, password: str | None) -> None:
    """Bring the server to its changed record: password at once, groups at once, settings by a restart when they moved."""
    container = f"{settings.PREFIX}-db-{emulator.account()[0]}-{record['DBInstanceIdentifier']}"
    server = servers.running[container]
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
    server = servers.running[f"{settings.PREFIX}-db-{emulator.account()[0]}-{name}"]
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
        servers.remove(f"{settings.PREFIX}-db-{emulator.account()[0]}-{name}")
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
        balancers.wait_until(lambda: rds._instances[physical_id]["DBInstanceStatus"] == "available", servers.START_SECONDS, f"change {physical_id}")
    return changed


def _stack_database_gone(original: Callable[..., Any], physical_id: str, props: Mapping[str, Any]) -> None:
    if rds._instances.get(physical_id, {}).get("DeletionProtection"):
        raise ValueError(f"Cannot delete protected DB Instance {physical_id}, please disable deletion protection and try again.")
    original(physical_id, props)
    servers.remove(f"{settings.PREFIX}-db-{emulator.account()[0]}-{physical_id}")


def install() -> None:
    for action, handler in {
        "CreateDBInstance": _create_database,
        "DeleteDBInstance": _delete_database,
        "ModifyDBInstance": _modify_database,
        "RebootDBInstance": _reboot,
    }.items():
        emulator.replace_action("rds", action, handler, blocking=True)
    emulator.wrap_type("AWS::RDS::DBInstance", create=_stack_database, update=_stack_database_change, delete=_stack_database_gone, blocking=True)
