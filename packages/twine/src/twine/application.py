"""The web application, put together."""

from __future__ import annotations

import hashlib
import logging
import os
from http import HTTPStatus
from pathlib import Path

from flask import Flask, Response, render_template, request
from flask.typing import ResponseReturnValue
from jinja2 import Environment, FileSystemBytecodeCache
from jinja2.bccache import Bucket
from werkzeug.exceptions import HTTPException

from twine.api import LARGEST_BODY, add_api
from twine.errors import RefusedError, TwineError
from twine.health import add_health
from twine.pages import add_pages
from twine.services import EXTENSION, make_services
from twine.settings import Settings
from twine.signing_in import is_https
from twine.version import VERSION
from twine.warmth import Warmth

STYLE_FILE = Path(__file__).parent / "static" / "twine.css"
CONTENT_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "X-Twine-Version": VERSION,
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}

log = logging.getLogger(__name__)


class _TemplateCache(FileSystemBytecodeCache):
    """Compiled templates on disk. A folder that cannot be written is still worth reading."""

    def __init__(self, folder: Path, warmth: Warmth) -> None:
        super().__init__(str(folder))
        self._warmth = warmth

    def get_bucket(self, environment: Environment, name: str, filename: str | None, source: str) -> Bucket:
        bucket = super().get_bucket(environment, name, filename, source)
        self._warmth.count(bucket.code is not None)
        return bucket

    def dump_bytecode(self, bucket: Bucket) -> None:
        if os.access(self.directory, os.W_OK):
            super().dump_bytecode(bucket)


def create_app(settings: Settings) -> Flask:
    """Return the application; it connects when its services are opened."""
    app = Flask("twine", static_folder=None, template_folder=str(Path(__file__).parent / "templates"))
    app.config.update(MAX_CONTENT_LENGTH=LARGEST_BODY, TEMPLATES_AUTO_RELOAD=False)
    parts = app.extensions[EXTENSION] = make_services(settings)
    templates = _TemplateCache(settings.cache_folder / "templates", parts.templates)
    app.jinja_options = {**app.jinja_options, "bytecode_cache": templates}
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    add_health(app)
    add_api(app)
    add_style(app)
    add_pages(app)
    app.register_error_handler(RefusedError, refused)
    app.register_error_handler(HTTPException, http_error)
    app.register_error_handler(Exception, unexpected)
    app.after_request(add_headers)
    return app


def add_style(app: Flask) -> None:
    """Serve the style sheet under its digest: browsers keep it, and a new version has a new address."""
    style = STYLE_FILE.read_bytes()
    digest = hashlib.sha256(style).hexdigest()[:12]

    def stylesheet(name: str) -> ResponseReturnValue:
        response = Response(style, mimetype="text/css")
        # During a rollout the page may come from another version: then this answer must not be kept.
        is_ours = name == digest
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable" if is_ours else "no-store"
        return response

    app.add_url_rule("/style/<name>.css", view_func=stylesheet)
    app.jinja_env.globals.update(style=f"/style/{digest}.css", version=VERSION)


def add_headers(response: Response) -> Response:
    """Add what every response carries."""
    response.headers.update(HEADERS)
    response.headers.setdefault("Cache-Control", "no-store")
    if is_https():
        response.headers["Strict-Transport-Security"] = "max-age=31536000"
    return response


def refused(error: RefusedError) -> ResponseReturnValue:
    """Say why a request was not granted: as JSON to programs, as a page to people."""
    headers = {} if error.retry_after is None else {"Retry-After": str(error.retry_after)}
    if _wants_json():
        return error.as_json(), error.status, headers
    return render_template("error.html", status=error.status, message=error.message), error.status, headers


def http_error(error: HTTPException) -> ResponseReturnValue:
    """Give the framework's own refusals our form."""
    if error.response is not None or error.code is None or error.code < HTTPStatus.BAD_REQUEST:
        return error
    messages = {404: "There is no such page.", 405: "This cannot be done here.", 413: "This is too large."}
    return refused(RefusedError(error.code, messages.get(error.code, f"{error.name}.")))


def unexpected(error: Exception) -> ResponseReturnValue:
    """Log a fault of ours; the visitor learns that it happened, not how."""
    if isinstance(error, TwineError):
        log.error("%s", error)
    else:
        log.error("Failed to answer %s %s.", request.method, request.path, exc_info=error)
    return refused(RefusedError(500, "Something went wrong on our side. It has been noted; try again."))


def _wants_json() -> bool:
    return request.path.startswith(("/api/", "/health", "/ready"))
