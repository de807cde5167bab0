"""ELBv2's API and CloudFormation types in front of the balancers that run: refusals, waits, and truth about targets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ministack.services import alb, ec2

from local_cloud.plugin import balancers, emulator, haproxy
from local_cloud.plugin.balancers import addresses
from local_cloud.plugin.requests import Refused

__all__ = ["addresses", "install", "start"]
Record = dict[str, Any]
Response = tuple[int, dict[str, str], bytes]
Handler = Callable[[dict[str, Any]], Response]
START_SECONDS = 60


def _refuse(why: str | None) -> None:
    if why:
        raise Refused("UnsupportedOperation", f"Failed to set up load balancing: {why}.")


def _complete(record: Record) -> None:
    """What the emulator leaves open in a new balancer's record: where it is, and that it does not run yet."""
    why = haproxy.refused_balancer(haproxy.attributes(alb._lb_attrs.get(record["LoadBalancerArn"], [])))
    if record["Type"] not in ("application", "network") or why:
        alb._lbs.pop(record["LoadBalancerArn"], None)
        _refuse(why or f"a {record['Type']} load balancer is not to be had here")
    subnets = [ec2._subnets.get(subnet) for subnet in record["Subnets"]]
    if not subnets or not all(subnets):
        alb._lbs.pop(record["LoadBalancerArn"], None)
        raise Refused("SubnetNotFound", f"The subnets '{record['Subnets']}' do not exist")
    record |= {"VpcId": subnets[0]["VpcId"], "State": "provisioning"}
    balancers.wake()


def _running(arn: str) -> bool:
    return bool(alb._lbs.get(arn, {}).get("State") == "active")


# --- the API ------------------------------------------------------------------------------------------------------


def _create(params: dict[str, Any]) -> Response:
    before = set(alb._lbs.keys())
    response = _originals["CreateLoadBalancer"](params)
    made = set(alb._lbs.keys()) - before
    for arn in made:
        _complete(alb._lbs[arn])
        response = alb._xml(200, "CreateLoadBalancer", f"<LoadBalancers>{alb._lb_xml(alb._lbs[arn])}</LoadBalancers>")
    return response


def _delete(params: dict[str, Any]) -> Response:
    arn = alb._p(params, "LoadBalancerArn")
    given = haproxy.attributes(alb._lb_attrs.get(arn, []))
    if given.get("deletion_protection.enabled") == "true":
        raise Refused("OperationNotPermitted", f"Load balancer '{arn}' cannot be deleted because deletion protection is enabled")
    _free(arn)
    return _originals["DeleteLoadBalancer"](params)


def _free(arn: str) -> None:
    """A balancer takes its listeners along and frees its target groups."""
    for listener in [a for a, record in alb._listeners.items() if record["LoadBalancerArn"] == arn]:
        alb._delete_listener({"ListenerArn": [listener]})
    for group in alb._tgs.values():
        group["LoadBalancerArns"] = [other for other in group["LoadBalancerArns"] if other != arn]
    balancers.wake()


def _checked_listener(action: str) -> Handler:
    def handler(params: dict[str, Any]) -> Response:
        asked = emulator.request().input
        protocol = asked.get("Protocol", "HTTP")
        rule = {"Conditions": asked.get("Conditions", []), "Actions": asked.get("Actions") or asked.get("DefaultActions") or []}
        _refuse(haproxy.refused_listener(protocol, [rule]))
        return _then_wake(_originals[action](params))

    return handler


def _checked_group(action: str) -> Handler:
    def handler(params: dict[str, Any]) -> Response:
        asked = emulator.request().input
        _refuse(haproxy.refused_group(asked, haproxy.attributes(asked.get("Attributes", []))))
        return _then_wake(_originals[action](params))

    return handler


def _waking(action: str) -> Handler:
    return lambda params: _then_wake(_originals[action](params))


def _then_wake(response: Response) -> Response:
    balancers.wake()
    return response


def _describe_health(params: dict[str, Any]) -> Response:
    """Each target as its balancer sees it."""
    asked = emulator.request().input
    arn = asked["TargetGroupArn"]
    if arn not in alb._tgs:
        raise Refused("TargetGroupNotFound", f"Target group '{arn}' not found.")
    only = {target["Id"] for target in asked.get("Targets", [])}
    seen = {(target.id, target.port): target for target in balancers.targets_of(arn)}
    listed = [(t["Id"], balancers.port_of(alb._tgs[arn], t)) for t in alb._targets.get(arn, [])]
    members = []
    for identity, port in [*listed, *(key for key in seen if key not in listed)]:
        if only and identity not in only:
            continue
        target = seen.get((identity, port))
        if target:
            state, (reason, description) = target.state, target.reason
        elif not alb._tgs[arn]["LoadBalancerArns"]:
            state, reason, description = "unused", "Target.NotInUse", "Target group is not configured to receive traffic from the load balancer"
        elif balancers.address_of({"Id": identity}) is None:
            state, reason, description = "unused", "Target.InvalidState", "Target is in the stopped state"
        else:
            state, reason, description = "initial", "Elb.RegistrationInProgress", "Target registration is in progress"
        why = "" if state == "healthy" else f"<Reason>{reason}</Reason><Description>{description}</Description>"
        members.append(
            f"<member><Target><Id>{identity}</Id><Port>{port}</Port></Target><HealthCheckPort>{port}</HealthCheckPort>"
            f"<TargetHealth><State>{state}</State>{why}</TargetHealth></member>"
        )
    response: Response = alb._xml(200, "DescribeTargetHealth", f"<TargetHealthDescriptions>{''.join(members)}</TargetHealthDescriptions>")
    return response


# --- CloudFormation -----------------------------------------------------------------------------------------------


def _stack_balancer(original: Callable[..., Any], logical_id: str, props: Mapping[str, Any], stack_name: str) -> Any:
    """Created when it answers, as at AWS."""
    arn, found = original(logical_id, props, stack_name)
    _complete(alb._lbs[arn])
    balancers.wait_until(lambda: _running(arn), START_SECONDS, f"start the load balancer {found['LoadBalancerName']}")
    return arn, found


def _stack_balancer_gone(original: Callable[..., Any], physical_id: str, props: Mapping[str, Any]) -> None:
    """Deleted when its container is gone: its security groups and subnets may follow."""
    if haproxy.attributes(alb._lb_attrs.get(physical_id, [])).get("deletion_protection.enabled") == "true":
        raise ValueError(f"Load balancer '{physical_id}' cannot be deleted because deletion protection is enabled")
    original(physical_id, props)
    balancers.wake()
    balancers.wait_until(lambda: not balancers.present(physical_id), START_SECONDS, f"remove the load balancer {physical_id}")


def _stack_group(original: Callable[..., Any], logical_id: str, props: Mapping[str, Any], stack_name: str) -> Any:
    _refuse(haproxy.refused_group(props, haproxy.attributes(props.get("TargetGroupAttributes", []))))
    return _with_names(*original(logical_id, props, stack_name))


def _with_names(arn: str, found: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """GetAtt's answers that the emulator lacks. The list is the very one that listeners fill: empty until there is one."""
    name = f"targetgroup/{arn.split(':targetgroup/')[-1]}"
    return arn, {**found, "TargetGroupFullName": name, "LoadBalancerArns": alb._tgs[arn]["LoadBalancerArns"]}


def _stack_group_change(original: Callable[..., Any], physical_id: str, old: Any, new: Mapping[str, Any], *rest: Any) -> Any:
    _refuse(haproxy.refused_group(new, haproxy.attributes(new.get("TargetGroupAttributes", []))))
    changed = original(physical_id, old, new, *rest)
    balancers.wake()
    return _with_names(*changed)


def _stack_listener(original: Callable[..., Any], logical_id: str, props: Mapping[str, Any], stack_name: str) -> Any:
    return _stack_routing(original, props, logical_id, props, stack_name)


def _stack_listener_change(original: Callable[..., Any], physical_id: str, old: Any, new: Mapping[str, Any], *rest: Any) -> Any:
    return _stack_routing(original, new, physical_id, old, new, *rest)


def _stack_routing(original: Callable[..., Any], props: Mapping[str, Any], *arguments: Any) -> Any:
    """A listener or a rule, new or changed: refused when HAProxy can't be told, else in force at the next look."""
    rule = {"Conditions": props.get("Conditions", []), "Actions": props.get("Actions") or props.get("DefaultActions") or []}
    _refuse(haproxy.refused_listener(props.get("Protocol", "HTTP"), [rule]))
    made = original(*arguments)
    balancers.wake()
    return made


# --- beginnings ---------------------------------------------------------------------------------------------------

_originals: dict[str, Handler] = {}
_HANDLERS: dict[str, Handler] = {
    "CreateLoadBalancer": _create,
    "DeleteLoadBalancer": _delete,
    "DescribeTargetHealth": _describe_health,
    **{action: _checked_listener(action) for action in ("CreateListener", "ModifyListener", "CreateRule", "ModifyRule")},
    **{action: _checked_group(action) for action in ("CreateTargetGroup", "ModifyTargetGroup", "ModifyTargetGroupAttributes")},
    **{
        action: _waking(action)
        for action in ("RegisterTargets", "DeregisterTargets", "ModifyLoadBalancerAttributes", "DeleteListener", "DeleteRule", "SetRulePriorities")
    },
}


def install() -> None:
    for action, handler in _HANDLERS.items():
        _originals[action] = emulator.original_action("alb", action)
        emulator.replace_action("alb", action, handler)
    elb = "AWS::ElasticLoadBalancingV2::"
    emulator.wrap_type(f"{elb}LoadBalancer", create=_stack_balancer, delete=_stack_balancer_gone, blocking=True)
    emulator.wrap_type(f"{elb}TargetGroup", create=_stack_group, update=_stack_group_change)
    emulator.wrap_type(f"{elb}Listener", create=_stack_listener, update=_stack_listener_change)
    emulator.wrap_type(f"{elb}ListenerRule", create=_stack_listener, update=_stack_listener_change)
    balancers.install()


def start() -> None:
    balancers.start()
