"""Signing in and out in a browser."""

from __future__ import annotations

import secrets as random

from flask import Flask, Response, make_response, redirect, render_template, request
from flask.typing import ResponseReturnValue

from twine.errors import RefusedError
from twine.services import services
from twine.signing_in import (
    FORM_COOKIE,
    clear_session_cookie,
    current_session,
    for_pages,
    is_https,
    local_path,
    set_session_cookie,
    sign_in,
    sign_out,
)
from twine.staff import Person


def add_routes(app: Flask) -> None:
    """Add the routes."""
    app.add_url_rule("/login", view_func=form)
    app.add_url_rule("/login", view_func=log_in, methods=["POST"], endpoint="login_post")
    app.add_url_rule("/logout", view_func=for_pages(log_out), methods=["POST"], endpoint="logout_post")


def form() -> ResponseReturnValue:
    """Show the form, unless somebody is signed in already."""
    if current_session() is not None:
        return redirect(local_path(request.args.get("next", "/")))
    return _show(request.args.get("next", "/"))


def log_in() -> ResponseReturnValue:
    """Sign in. The form is tied to this browser by a signed cookie, as there is no session yet."""
    seed = request.cookies.get(FORM_COOKIE, "")
    target = request.form.get("next", "/")
    if not seed or not services().sessions.is_signed(seed, request.form.get("form_token", "")):
        return _show(target, "Your browser did not send our cookie along. Please try once more.", 400)
    try:
        _person, token = sign_in(request.form.get("client"), request.form.get("email"), request.form.get("password"))
    except RefusedError as error:
        return _show(target, error.message, error.status)
    response = make_response(redirect(local_path(target), 303))
    set_session_cookie(response, token)
    response.delete_cookie(FORM_COOKIE, path="/login")
    return response


def log_out(_person: Person) -> ResponseReturnValue:
    """Sign out."""
    sign_out()
    response = make_response(redirect("/login", 303))
    clear_session_cookie(response)
    return response


def _show(target: str, message: str | None = None, status: int = 200) -> Response:
    seed = request.cookies.get(FORM_COOKIE) or random.token_urlsafe(16)
    text = render_template(
        "login.html",
        message=message,
        form_token=services().sessions.sign(seed),
        target=local_path(target),
        client=request.form.get("client", request.args.get("client", "")),
        email=request.form.get("email", ""),
    )
    response = make_response(text, status)
    response.set_cookie(FORM_COOKIE, seed, httponly=True, samesite="Strict", secure=is_https(), path="/login")
    return response
