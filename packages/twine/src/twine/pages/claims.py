"""Filing, listing and deciding claims in a browser."""

from __future__ import annotations

import secrets as random

from flask import Flask, redirect, render_template, request
from flask.typing import ResponseReturnValue
from markupsafe import Markup

from twine.claim_form import CATEGORIES, CURRENCIES, LONGEST_DESCRIPTION, read_claim_form
from twine.claims import STATUSES, Decision, decide_claim, file_claim, get_claim, list_claims
from twine.dashboard import SUMMARY
from twine.errors import RefusedError
from twine.pages.words import page
from twine.services import services
from twine.signing_in import for_pages
from twine.staff import Person

ON_A_PAGE = 20
GUIDE = "guide"
LARGEST_ID = 2**63 - 1


def add_routes(app: Flask) -> None:
    """Add the routes."""
    app.add_url_rule("/claims", view_func=for_pages(claims), endpoint="claims")
    app.add_url_rule("/claims/new", view_func=for_pages(new), endpoint="new_claim")
    app.add_url_rule("/claims/new", view_func=for_pages(file), methods=["POST"], endpoint="file_claim")
    app.add_url_rule("/claims/<int:claim_id>", view_func=for_pages(claim), endpoint="claim")
    app.add_url_rule(
        "/claims/<int:claim_id>", view_func=for_pages(decide), methods=["POST"], endpoint="decide_claim"
    )


def claims(person: Person) -> ResponseReturnValue:
    """List the claims, a page at a time."""
    status = request.args.get("status")
    before = request.args.get("before", type=int)
    found = list_claims(
        services().database,
        person,
        limit=ON_A_PAGE + 1,
        before=None if before is None else max(0, min(before, LARGEST_ID)),
        status=status if status in STATUSES else None,
    )
    older = found[ON_A_PAGE - 1].id if len(found) > ON_A_PAGE else None
    return page("claims.html", claims=found[:ON_A_PAGE], status=status, older=older, is_first=before is None)


def new(_person: Person) -> ResponseReturnValue:
    """Show an empty claim. Its reference is made here, so that a form sent twice files one claim."""
    reference = f"web-{random.token_hex(5)}"
    return _form({"reference": reference, "currency": "GBP", "category": CATEGORIES[0][0]}, None, 200)


def file(person: Person) -> ResponseReturnValue:
    """File the claim and show it."""
    try:
        filed, _created = file_claim(services().database, person, read_claim_form(request.form))
    except RefusedError as error:
        if error.field is None:
            raise
        return _form(request.form.to_dict(), error, error.status)
    services().fragments.forget(person.client_id, SUMMARY)
    return redirect(f"/claims/{filed.id}?filed=1", 303)


def claim(person: Person, claim_id: int) -> ResponseReturnValue:
    """Show one claim."""
    found = get_claim(services().database, person, min(claim_id, LARGEST_ID))
    return page("claim.html", claim=found, just_filed="filed" in request.args and found.status == "filed")


def decide(person: Person, claim_id: int) -> ResponseReturnValue:
    """Approve or decline the claim."""
    parts = services()
    decision: Decision = "approved" if request.form.get("decision") == "approve" else "declined"
    decide_claim(parts.database, person, min(claim_id, LARGEST_ID), decision)
    parts.fragments.forget(person.client_id, SUMMARY)
    return redirect(f"/claims/{claim_id}", 303)


def guide() -> str:
    """Render what the form says about categories; it is the same for everybody."""
    return render_template("guide.html", categories=CATEGORIES)


def _form(values: dict[str, str], error: RefusedError | None, status: int) -> ResponseReturnValue:
    text = page(
        "new_claim.html",
        values=values,
        error=error,
        currencies=CURRENCIES,
        categories=CATEGORIES,
        longest=LONGEST_DESCRIPTION,
        guide=Markup(services().fragments.common(GUIDE, guide)),
    )
    return text, status
