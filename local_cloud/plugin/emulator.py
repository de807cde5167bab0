"""The only place that touches the emulator's private hooks.

ministack is pinned to one version; what is used of its inside is here, and `tests/integration/local_cloud` holds it to it.
Services, actions and CloudFormation types are added or replaced by the plugin's other modules through these functions.
"""

from __future__ import annotations

import base64
import binascii
import contextvars
import json
import logging
import threading
import time
import urllib.parse
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from xml.sax.saxutils import escape

import ministack.app as gateway
from ministack.core.concurrency import run_reentrant
from ministack.core.responses import get_account_id, new_uuid, request_scope
from ministack.services import alb, autoscaling, ec2, rds
from ministack.services.cloudformation import changesets, engine, handlers, provisioners, stacks

from local_cloud.plugin import settings
from local_cloud.plugin.requests import MODELS, Refused, Request, model, read

log = logging.getLogger("local_cloud")
Response = tuple[int, dict[str, str], bytes]
Handler = Callable[[dict[str, Any]], Response]

ALIASES = {"alb": "elasticloadbalancing", "elbv2": "elasticloadbalancing", "cloudwatch": "monitoring"}
ACTION_MAPS: dict[str, dict[str, Handler]] = {
    "autoscaling": autoscaling._ACTION_MAP,
    "ec2": ec2._ACTION_MAP,
    "elasticloadbalancing": alb._ACTION_MAP,
    "rds": rds._ACTION_MAP,
}
_replaced: dict[tuple[str, str], tuple[Handler, bool]] = {}
_blocking_types: set[str] = set()
_request: contextvars.ContextVar[Request | None] = contextvars.ContextVar("local_cloud_request", default=None)


def account() -> str:
    """The account of the request, stack or scope that is being served."""
    return str(get_account_id())


@contextmanager
def scope(account_id: str) -> Iterator[None]:
    """Act for an account: the emulator's stores are scoped by context variables."""
    with request_scope(account_id, settings.REGION):
        yield


def request() -> Request:
    """The request being served, parsed by its API's model: `.input` is what a boto3 caller passed."""
    found = _request.get()
    if found is None:
        raise RuntimeError("no API request is being served")
    return found


def plain(user_data: str) -> str:
    """User data as a machine reads it."""
    try:
        return base64.b64decode(user_data, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return user_data


# --- actions ------------------------------------------------------------------------------------------------------


def replace_action(service: str, action: str, handler: Handler, blocking: bool = False) -> None:
    """Serve an action of a query API by `handler(params)`; a blocking one runs on a thread of its own."""
    name = ALIASES.get(service, service)
    _replaced[name, action] = (handler, blocking)
    if name in ACTION_MAPS:
        ACTION_MAPS[name][action] = handler


def original_action(service: str, action: str) -> Handler:
    """The emulator's own handler, for wrapping: ask before replacing."""
    return ACTION_MAPS[ALIASES.get(service, service)][action]


def after_action(service: str, action: str, then: Callable[[], None], blocking: bool = True) -> None:
    """Let the emulator serve the action and, when it succeeded, call `then`."""
    original = original_action(service, action)

    def handler(params: dict[str, Any]) -> Response:
        response = original(params)
        if response[0] < 400:
            then()
        return response

    replace_action(service, action, handler, blocking)


def api_error(service: str, error: Refused, headers: Mapping[str, str] | None = None) -> Response:
    """A refusal in the envelope of the API's protocol."""
    if "json" in (headers or {}).get("content-type", ""):
        return error.status, {"Content-Type": "application/x-amz-json-1.1"}, json.dumps({"__type": error.code, "message": error.message}).encode()
    kind = "Sender" if error.status < 500 else "Receiver"
    said = f"<Code>{error.code}</Code><Message>{escape(error.message)}</Message>"
    if service == "ec2":
        text = f"<Response><Errors><Error>{said}</Error></Errors><RequestID>{new_uuid()}</RequestID></Response>"
    else:
        text = f"<ErrorResponse><Error><Type>{kind}</Type>{said}</Error><RequestId>{new_uuid()}</RequestId></ErrorResponse>"
    return error.status, {"Content-Type": "text/xml"}, text.encode()


# The last calls, for tests that ask what a program really said.
_calls: deque[dict[str, Any]] = deque(maxlen=5000)


def _note(asked: Request, agent: str) -> None:
    """Of EC2 with its input; others' may hold secrets."""
    given = json.loads(json.dumps(asked.input, default=str)) if asked.service == "ec2" else {}
    _calls.append({"account": account(), "service": asked.service, "action": asked.action, "agent": agent, "input": given})


async def _serve(service: str, original: Any, method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]) -> Any:
    """In front of every service, after signature and policies: faults, the model, our actions, then the emulator's."""
    try:
        asked = read(service, method, path, headers, body, query)
        _note(asked, headers.get("user-agent", ""))
        faults.meet(service, asked.action)
        token = _request.set(asked)
        try:
            replaced = _replaced.get((service, asked.action))
            if replaced is None:
                return await original(method, path, headers, body, query)
            handler, blocking = replaced
            params = {**query, **urllib.parse.parse_qs(body.decode(), keep_blank_values=True)}
            return await run_reentrant(handler, params) if blocking else handler(params)
        finally:
            _request.reset(token)
    except Refused as error:
        return api_error(service, error, headers)


# --- CloudFormation types -----------------------------------------------------------------------------------------


def register_type(
    name: str,
    *,
    create: Callable[..., Any],
    delete: Callable[..., Any],
    update: Callable[..., Any] | None = None,
    replacing: tuple[str, ...] = (),
    blocking: bool = False,
    extra: Mapping[str, Any] | None = None,
) -> None:
    """Add a type. Without `update` any change replaces; `replacing` names the properties whose change does."""
    entry: dict[str, Any] = {"create": create, "delete": delete, **(extra or {})}
    if update:
        entry["update"] = update
    provisioners._RESOURCE_HANDLERS[name] = entry
    provisioners._REPLACING_PROPERTIES[name] = replacing
    _block(name, blocking)


def wrap_type(name: str, *, blocking: bool = False, **around: Callable[..., Any]) -> None:
    """Put `create`, `update` or `delete` around the emulator's own: `f(original, *its_arguments)`."""
    entry = provisioners._RESOURCE_HANDLERS[name]
    for verb, wrapper in around.items():
        entry[verb] = _around(wrapper, entry[verb])
    _block(name, blocking)


def _around(wrapper: Callable[..., Any], original: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *args: wrapper(original, *args)


def _block(name: str, blocking: bool) -> None:
    if blocking:
        _blocking_types.add(name)


def _unresolved(template: Mapping[str, Any]) -> list[str]:
    """Names that Ref, GetAtt or Sub use and the template does not define. AWS refuses those; the emulator passes them on."""
    known = {*template.get("Resources", {}), *template.get("Parameters", {})}
    used = {
        name.partition(".")[0]
        for section in ("Resources", "Outputs", "Conditions")
        for name, _attribute in engine._intrinsic_references(template.get(section) or {})
    }
    return sorted(name for name in used - known if not name.startswith("AWS::"))


def _strict_templates() -> None:
    statics, resolve = engine._validate_template_statics, engine._resolve_parameters

    def validate(template: dict[str, Any]) -> None:
        statics(template)
        if missing := _unresolved(template):
            raise ValueError(f"Template format error: Unresolved resource dependencies [{', '.join(missing)}] in the Resources block of the template")

    def parameters(template: dict[str, Any], provided: list[dict[str, Any]], *rest: Any) -> Any:
        extra = sorted({p["Key"] for p in provided if "Key" in p} - set(template.get("Parameters") or {}))
        if extra:
            raise ValueError(f"Parameters: [{', '.join(extra)}] do not exist in the template")
        return resolve(template, provided, *rest)

    engine._validate_template_statics = validate
    for module in (changesets, handlers):
        module._resolve_parameters = parameters


# --- faults -------------------------------------------------------------------------------------------------------


@dataclass
class Faults:
    """What was asked to go wrong. Each is used up by the calls it meets, ends with its time, or is cleared."""

    pending: list[dict[str, Any]] = field(default_factory=list)
    capacity: dict[str, int] = field(default_factory=dict)  # zone, instance type or "*" → launches still to refuse
    slow: dict[str, float] = field(default_factory=dict)  # resource type, "*" or "metadata" → seconds that each change (answer) takes longer
    away_until: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def meet(self, service: str, action: str) -> None:
        """Raise when a fault waits for this action or resource type."""
        with self.lock:
            for fault in self.pending:
                named = fault["action"] == action or (fault["action"] in ("*", "each") and service != "resource")
                if named and account() in fault["accounts"] and (account(), action) not in fault["met"]:
                    if fault["action"] == "each":
                        fault["met"].append((account(), action))
                    else:
                        fault["times"] -= 1
                        self.pending = [f for f in self.pending if f["times"] > 0]
                    code, message, status = FAULTS[fault["kind"]]
                    raise Refused(code, f"{message} (injected fault)", status)

    def refuse_capacity(self, instance_type: str, zone: str) -> None:
        with self.lock:
            for key in (instance_type, zone, "*"):
                if self.capacity.get(key, 0) > 0:
                    self.capacity[key] -= 1
                    raise Refused(
                        "InsufficientInstanceCapacity",
                        f"We currently do not have sufficient {instance_type} capacity in the Availability Zone you requested ({zone}).",
                        500,
                    )


faults = Faults()
FAULTS = {"throttle": ("Throttling", "Rate exceeded", 400), "fail": ("InternalFailure", "An internal error has occurred", 500)}


def inject(query: Mapping[str, str]) -> dict[str, Any]:
    """The query is what `python -m local_cloud fault` takes; the answer is what waits to go wrong."""
    kind, action, times, seconds = query.get("kind", ""), query.get("action", "*"), int(query.get("times", "1")), float(query.get("seconds", "60"))
    with faults.lock:
        if kind in FAULTS:
            accounts = [settings.ACCOUNTS[query["account"]]] if "account" in query else list(settings.ACCOUNTS.values())
            faults.pending.append({"kind": kind, "action": action, "accounts": accounts, "times": times, "met": []})
        elif kind == "capacity":
            faults.capacity[query.get("which", "*")] = times
        elif kind == "slow":
            faults.slow[action] = seconds
        elif kind == "away":
            faults.away_until = time.monotonic() + seconds
        elif kind == "clear":
            faults.pending, faults.capacity, faults.slow, faults.away_until = [], {}, {}, 0.0
        else:
            raise Refused("ValidationError", f"Unknown fault {kind}. Faults: {', '.join([*FAULTS, 'capacity', 'slow', 'away', 'clear'])}.")
        away = max(0.0, faults.away_until - time.monotonic())
        return {"pending": list(faults.pending), "capacity": dict(faults.capacity), "slow": dict(faults.slow), "away": away}


def _with_faults(change: Callable[..., Any]) -> Callable[..., Any]:
    """CloudFormation's own step on one resource, which may fail or take its time."""

    def changed(resource_type: str, *rest: Any) -> Any:
        faults.meet("resource", resource_type)
        time.sleep(faults.slow.get(resource_type, faults.slow.get("*", 0.0)))
        return change(resource_type, *rest)

    return changed


# --- the gateway --------------------------------------------------------------------------------------------------

Admin = Callable[[dict[str, str], bytes], dict[str, Any]]
_admin: dict[str, Admin] = {}


def admin(path: str, handler: Admin) -> None:
    """Serve `/_local_cloud/<path>` to the machine that runs the cloud (never to instances): handler(query, body) → JSON."""
    _admin[f"/_local_cloud/{path}"] = handler


async def _reply(send: Any, status: int, content: Any) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": json.dumps(content).encode() + b"\n"})


def _asgi(original: Any, is_operator: Callable[[str], bool]) -> Any:
    """Round the whole gateway: our own paths, and an API that is away."""

    async def app(asgi_scope: dict[str, Any], receive: Any, send: Any) -> None:
        path = asgi_scope.get("path", "")
        ours = path.startswith(("/_local_cloud/", "/_ministack/"))
        if asgi_scope["type"] == "http" and ours and not is_operator((asgi_scope.get("client") or ("",))[0]):
            await _reply(send, 403, {"error": "only the machine that runs the local cloud may ask this"})
        elif path in _admin:
            await _administer(_admin[path], asgi_scope, receive, send)
        elif asgi_scope["type"] == "http" and not ours and faults.away_until > time.monotonic():
            await send({"type": "http.response.start", "status": 503, "headers": []})
            await send({"type": "http.response.body", "body": b""})
        else:
            await original(asgi_scope, receive, send)

    return app


async def _administer(handler: Admin, asgi_scope: dict[str, Any], receive: Any, send: Any) -> None:
    query = dict(urllib.parse.parse_qsl(asgi_scope["query_string"].decode()))
    body = b""
    while (message := await receive())["type"] == "http.request":
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    try:
        await _reply(send, 200, await run_reentrant(handler, query, body))
    except (Refused, ValueError) as error:
        await _reply(send, 400, {"error": str(error)})


def install(is_operator: Callable[[str], bool], on_start: Callable[[], None]) -> None:
    """Hook everything in; `is_operator(address)` tells the host's requests from an instance's."""
    _strict_templates()
    runs_on_worker = stacks._runs_on_worker_thread
    stacks._runs_on_worker_thread = lambda name: bool(faults.slow) or name in _blocking_types or runs_on_worker(name)
    for step in ("_provision_resource", "_update_resource", "_delete_resource"):
        setattr(stacks, step, _with_faults(getattr(stacks, step)))
    gateway.SERVICE_HANDLERS = {name: _served(name, handler) for name, handler in gateway.SERVICE_HANDLERS.items()}
    lifespan = gateway._handle_lifespan

    async def start_then(asgi_scope: Any, receive: Any, send: Any) -> None:
        async def sent(message: dict[str, Any]) -> None:
            await send(message)
            if message["type"] == "lifespan.startup.complete":
                on_start()

        await lifespan(asgi_scope, receive, sent)

    gateway._handle_lifespan = start_then
    gateway.app = _asgi(gateway.app, is_operator)
    admin("fault", lambda query, body: inject(query))
    admin("calls", lambda query, body: {"calls": [call for call in _calls if query.get("agent", "") in call["agent"]]})
    threading.Thread(target=lambda: [model(name) for name in MODELS], name="models", daemon=True).start()


def _served(service: str, original: Any) -> Any:
    async def handler(*args: Any) -> Any:
        return await _serve(service, original, *args)

    return handler
