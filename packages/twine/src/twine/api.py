"""The JSON API."""

from __future__ import annotations

import json
from decimal import Decimal

from flask import Flask, jsonify, request
from flask.typing import ResponseReturnValue

from twine.claim_form import read_claim_form
from twine.claims import MOST_ON_A_PAGE, decide_claim, file_claim, get_claim, list_claims
from twine.dashboard import SUMMARY
from twine.errors import RefusedError
from twine.services import services
from twine.signing_in import (
    clear_session_cookie,
    for_api,
    refuse_foreign_origin,
    set_session_cookie,
    sign_in,
    sign_out,
)
from twine.staff import Person, list_staff

LARGEST_ID = 2**63 - 1
LARGEST_BODY = 64 * 1024


def add_api(app: Flask) -> None:
    """Add the routes of the API."""
    app.add_url_rule("/api/login", view_func=log_in, methods=["POST"])
    app.add_url_rule("/api/logout", view_func=log_out, methods=["POST"])
    app.add_url_rule("/api/claims", view_func=for_api(file), methods=["POST"], endpoint="api_file")
    app.add_url_rule("/api/claims", view_func=for_api(claims), endpoint="api_claims")
    app.add_url_rule("/api/claims/<int:claim_id>", view_func=for_api(claim), endpoint="api_claim")
    app.add_url_rule(
        "/api/claims/<int:claim_id>/approve", view_func=for_api(approve), methods=["POST"], endpoint="api_approve"
    )
    app.add_url_rule(
        "/api/claims/<int:claim_id>/decline", view_func=for_api(decline), methods=["POST"], endpoint="api_decline"
    )
    app.add_url_rule("/api/search", view_func=for_api(search), endpoint="api_search")
    app.add_url_rule("/api/staff", view_func=for_api(staff), endpoint="api_staff")


def log_in() -> ResponseReturnValue:
    """Log in: `{"client", "email", "password"}` → `{"staff"}` and a cookie."""
    refuse_foreign_origin()
    body = json_body()
    person, token = sign_in(body.get("client"), body.get("email"), body.get("password"))
    response = jsonify(staff=person.as_json())
    set_session_cookie(response, token)
    return response


def log_out() -> ResponseReturnValue:
    """Log out."""
    refuse_foreign_origin()
    sign_out()
    response = jsonify(status="logged out")
    clear_session_cookie(response)
    return response


def file(person: Person) -> ResponseReturnValue:
    """File a claim: 201 when it is new, 200 when it was there already, 409 when its reference is another's."""
    form = read_claim_form(json_body())
    parts = services()
    filed, is_new = file_claim(parts.database, person, form)
    if is_new:
        parts.fragments.forget(person.client_id, SUMMARY)
    return filed.as_json(), 201 if is_new else 200


def claims(person: Person) -> ResponseReturnValue:
    """List claims, newest first; `before` is the last id of the page before."""
    found = list_claims(
        services().database,
        person,
        limit=_number("limit", 50, MOST_ON_A_PAGE) or 50,
        before=_number("before", None, LARGEST_ID),
    )
    return {"claims": [item.as_json() for item in found]}


def claim(person: Person, claim_id: int) -> ResponseReturnValue:
    """Return one claim."""
    return get_claim(services().database, person, min(claim_id, LARGEST_ID)).as_json()


def approve(person: Person, claim_id: int) -> ResponseReturnValue:
    """Approve a claim."""
    services().fragments.forget(person.client_id, SUMMARY)
    return decide_claim(services().database, person, min(claim_id, LARGEST_ID), "approved").as_json()


def decline(person: Person, claim_id: int) -> ResponseReturnValue:
    """Decline a claim."""
    services().fragments.forget(person.client_id, SUMMARY)
    return decide_claim(services().database, person, min(claim_id, LARGEST_ID), "declined").as_json()


def search(person: Person) -> ResponseReturnValue:
    """Search the claims."""
    answer = services().search.find(person, request.args.get("q", ""))
    return {
        "results": [item.as_json() for item in answer.results],
        "degraded": answer.degraded,
        "notice": answer.notice,
    }


def staff(person: Person) -> ResponseReturnValue:
    """List the staff of the person's client."""
    return {"staff": [item.as_json() for item in list_staff(services().database, person)]}


def json_body() -> dict[str, object]:
    """Return the object that the request carries; amounts keep every digit."""
    if not request.is_json:
        raise RefusedError(415, "Send JSON, with Content-Type: application/json.")
    content = request.stream.read(LARGEST_BODY + 1)
    if len(content) > LARGEST_BODY:
        raise RefusedError(413, "This is too large.")
    try:
        body = json.loads(content, parse_float=Decimal)
    except ValueError as error:
        raise RefusedError(400, "The body is not valid JSON.") from error
    if not isinstance(body, dict):
        raise RefusedError(400, "Send a JSON object.")
    return body


def _number(name: str, default: int | None, most: int) -> int | None:
    text = request.args.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal()) or not 1 <= int(text[:20]) <= most:
        raise RefusedError(400, f"{name} is a number from 1 to {most}.", field=name)
    return int(text)
