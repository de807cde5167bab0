"""ElastiCache as a real Redis: the emulator keeps the records, here they get an endpoint, a container, and a status that is true."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ministack.services import elasticache

from local_cloud.plugin import balancers, emulator, fabric, servers, settings
from local_cloud.plugin.requests import Refused
from local_cloud.plugin.servers import Record

Response = tuple[int, dict[str, str], bytes]
_originals: dict[str, Callable[[dict[str, Any]], Response]] = {
    "group": elasticache._create_replication_group,
    "ungroup": elasticache._delete_replication_group,
    "cluster": elasticache._create_cache_cluster,
    "uncluster": elasticache._delete_cache_cluster,
}


def _refuse(given: Mapping[str, Any]) -> None:
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
    subnet_id = servers.first_subnet(stored.get("Subnets", []), subnet_group)
    endpoint = f"{name}.{servers.short(owner, name)[:6]}.ng.0001.euw2.cache.amazonaws.com"
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
    server = servers.Server(
        f"{settings.PREFIX}-cache-{owner[0]}-{name}",
        "cache",
        fabric.place(subnet_id),
        servers.groups_or_default(groups, subnet_id),
        ("redis-cli", "ping"),
        lambda status: record.update({status_key: status}),
        owner,
        lambda: any(r is record for r in (*elasticache._replication_groups.all_values(), *elasticache._clusters.all_values())),
    )
    servers.in_background(server, lambda: servers.launch(server, endpoint, (reader,), {}))


def _create_replicated(params: dict[str, Any]) -> Response:
    """As a request of the API, and as the emulator's CloudFormation handler calls it: parameters are flat both times."""
    flat = {key: value[0] if isinstance(value, list) else value for key, value in params.items()}
    _refuse(flat | {"UserGroupIds": flat.get("UserGroupIds.member.1", "")})
    response: Response = _originals["group"](flat)
    name = flat["ReplicationGroupId"]
    if response[0] < 400:
        record = elasticache._replication_groups[name]
        groups = [item["SecurityGroupId"] for item in record["SecurityGroups"]]
        _start_or_forget(lambda: _start_cache(name, groups, record["CacheSubnetGroupName"], record, "Status"), lambda: _originals["ungroup"](flat))
    return response


def _create_cluster(params: dict[str, Any]) -> Response:
    flat = {key: value[0] if isinstance(value, list) else value for key, value in params.items()}
    _refuse(flat)
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
            servers.remove(f"{settings.PREFIX}-cache-{emulator.account()[0]}-{name}")
        return response

    return handler


def _stack_replicated(original: Callable[..., Any], logical_id: str, props: Mapping[str, Any], stack_name: str) -> Any:
    name, found = original(logical_id, props, stack_name)
    record = elasticache._replication_groups[name]
    balancers.wait_until(lambda: record["Status"] == "available", servers.START_SECONDS, f"start the cache {name}")
    return name, found


def install() -> None:
    # The emulator's API and its CloudFormation types both look these up in the module when they are called.
    elasticache._create_replication_group, elasticache._create_cache_cluster = _create_replicated, _create_cluster
    elasticache._delete_replication_group = _deleting("ungroup", "ReplicationGroupId")
    elasticache._delete_cache_cluster = _deleting("uncluster", "CacheClusterId")
    emulator.wrap_type("AWS::ElastiCache::ReplicationGroup", create=_stack_replicated, blocking=True)
