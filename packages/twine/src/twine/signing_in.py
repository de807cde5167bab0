"""Signing in and out, and the guards of what only a signed-in person gets."""

from __future__ import annotations

import secrets as random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Concatenate, ParamSpec
from urllib.parse import quote, urlsplit

from flask import Response, g, redirect, request
from flask.typing import ResponseReturnValue

from twine.errors import RefusedError
from twine.services import services
from twine.sessions import Session
from twine.staff import Person, authenticate

SESSION_COOKIE = "twine_session"
FORM_COOKIE = "twine_form"
LONGEST_FIELD = 320
PATIENCE_SECONDS = 2.0

Arguments = ParamSpec("Arguments")
View = Callable[Arguments, ResponseReturnValue]
PersonView = Callable[Concatenate[Person, Arguments], ResponseReturnValue]


def current_session() -> Session | None:
    """Return the session of this request, looked up once."""
    if "session" not in g:
        token = request.cookies.get(SESSION_COOKIE, "")
        g.session = services().sessions.find(token) if token else None
    found: Session | None = g.session
    return found


def for_api(view: PersonView[Arguments]) -> View[Arguments]:
    """Let only signed-in people call a view of the API, each client within its share of this machine."""

    @wraps(view)
    def guarded(*args: Arguments.args, **kwargs: Arguments.kwargs) -> ResponseReturnValue:
        with turn() as session:
            if session is None:
                raise RefusedError(401, "Log in first.")
            refuse_foreign_origin()
            return view(session.person, *args, **kwargs)

    return guarded


def for_pages(view: PersonView[Arguments]) -> View[Arguments]:
    """Let only signed-in people see a page; others are asked to sign in, and forms must carry their token."""

    @wraps(view)
    def guarded(*args: Arguments.args, **kwargs: Arguments.kwargs) -> ResponseReturnValue:
        with turn() as session:
            if session is None:
                target = request.full_path.rstrip("?") if request.method == "GET" else "/"
                return redirect("/login" if target == "/" else f"/login?next={quote(target)}")
            if request.method == "POST" and not random.compare_digest(
                request.form.get("form_token", "").encode(), session.form_token.encode()
            ):
                raise RefusedError(400, "This form has grown old. Go back, reload the page and send it again.")
            return view(session.person, *args, **kwargs)

    return guarded


@contextmanager
def turn() -> Iterator[Session | None]:
    """Wait for the turn of this request's client and give its session.

    Who is known already waits before any work is done, even before the session is looked up.
    """
    token, acquaintances = request.cookies.get(SESSION_COOKIE, ""), services().acquaintances
    client = acquaintances.client_of(token)
    if client is None:
        session = current_session()
        if session is None:
            yield None
            return
        client = session.person.share
        acquaintances.remember(token, client)
    with turn_of(client):
        yield current_session()


@contextmanager
def turn_of(client: str) -> Iterator[None]:
    """Wait for the client's turn on this machine, or refuse: a rush stays with whose it is."""
    with services().queue.turn(client, PATIENCE_SECONDS) as came:
        if not came:
            raise RefusedError(
                429, "Your organisation has many requests under way. Try again in a moment.", retry_after=1
            )
        yield


def refuse_foreign_origin() -> None:
    """Refuse a write that a page of another site has sent."""
    origin = request.headers.get("Origin")
    if request.method != "GET" and origin is not None:
        own = urlsplit(f"//{request.host}").hostname
        if urlsplit(origin).hostname != own:
            raise RefusedError(403, "This request comes from another site.")


def sign_in(client: object, email: object, password: object) -> tuple[Person, str]:
    """Check the password and start a session; return the person and the session's token."""
    named = {"client": client, "email": email, "password": password}
    for field, value in named.items():
        if not isinstance(value, str) or not value.strip() or "\0" in value or len(value) > LONGEST_FIELD:
            raise RefusedError(400, f"Say the {field}.", field=field)
    slug, address = str(client).strip().lower(), str(email).strip().lower()
    parts = services()
    with turn_of(slug):
        parts.throttle.check(slug, address, visitor_address())
        person = authenticate(parts.database, slug, address, str(password))
        if person is None:
            parts.throttle.count_failure(slug, address, visitor_address())
            raise RefusedError(401, "The organisation, e-mail address or password is not right.")
        return person, parts.sessions.start(person)


def sign_out() -> None:
    """End the session of this request."""
    token = request.cookies.get(SESSION_COOKIE)
    if token:
        services().sessions.end(token)


def set_session_cookie(response: Response, token: str) -> None:
    """Give the browser the token; the cookie ends with the browser, the session by its own time."""
    response.set_cookie(SESSION_COOKIE, token, httponly=True, samesite="Lax", secure=is_https(), path="/")


def clear_session_cookie(response: Response) -> None:
    """Take the token away again."""
    response.delete_cookie(SESSION_COOKIE, httponly=True, samesite="Lax", secure=is_https(), path="/")


def is_https() -> bool:
    """Say whether the visitor's connection is encrypted: it ends at the load balancer, which tells."""
    return request.headers.get("X-Forwarded-Proto", request.scheme).split(",")[0].strip() == "https"


def visitor_address() -> str:
    """Return the visitor's address as the first proxy saw it.

    The header can be forged, so it only narrows a limit that holds for the account as well.
    """
    forwarded = request.headers.get("X-Forwarded-For", "").split(",")[0].strip()
    return forwarded or request.remote_addr or ""


def local_path(target: str) -> str:
    """Return `target` when it is a path of this site, else the first page."""
    parts = urlsplit(target)
    is_local = target.startswith("/") and not target.startswith(("//", "/\\")) and not parts.netloc and not parts.scheme
    return target if is_local and target.isprintable() else "/"
