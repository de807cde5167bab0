"""twine warm: do at the bake what the first requests would wait for. It opens nothing that belongs to a client."""

from __future__ import annotations

import argparse
import compileall
import json
import os
from pathlib import Path

from flask import Flask

from twine.application import create_app
from twine.commands.serve import without_setuptools
from twine.pages import claims
from twine.rehearsal import rehearse
from twine.services import EXTENSION, Services
from twine.settings import Settings, read_settings
from twine.version import VERSION

# What the bake does not know, and a machine that knows more is not asked: nothing of an environment gets into a cache.
NOWHERE = {
    "TWINE_DATABASE_HOST": "none.invalid",
    "TWINE_SESSION_REDIS_URL": "redis://none.invalid/0",
    "TWINE_FRAGMENT_REDIS_URL": "redis://none.invalid/0",
}
RECORD = "warm.json"


def add_arguments(_parser: argparse.ArgumentParser) -> None:
    """Say what the command takes: nothing."""


def run(_arguments: argparse.Namespace) -> int:
    """Compile code and templates, render what is the same for everybody, rehearse the first requests, and record it all."""
    settings = read_settings({**NOWHERE, "TWINE_CACHE": os.environ.get("TWINE_CACHE", "")})
    code = _compile_code()
    app = create_app(settings)
    templates = _compile_templates(app, settings.cache_folder / "templates")
    fragments = _keep_fragments(app)
    with without_setuptools():
        pages, files = rehearse(settings)
    record = {"version": VERSION, "templates": templates, "fragments": fragments, "pages": pages, "files": files}
    (settings.cache_folder / RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    _give(settings)
    print(f"code: {code}")
    print(f"templates: {len(templates)} compiled into {settings.cache_folder / 'templates'}")
    print(f"fragments: {len(fragments)} kept")
    print(f"pages: {len(pages)} rehearsed, which read {len(files)} files")
    return 0


def _compile_code() -> str:
    package = Path(__file__).parents[1]
    if not os.access(package, os.W_OK):
        return "compiled by the package"
    compileall.compile_dir(package, quiet=1)
    return "compiled"


def _compile_templates(app: Flask, folder: Path) -> list[str]:
    folder.mkdir(parents=True, exist_ok=True)
    names = sorted(app.jinja_env.list_templates(extensions=["html"]))
    for name in names:
        app.jinja_env.get_template(name)
    return names


def _keep_fragments(app: Flask) -> list[str]:
    services: Services = app.extensions[EXTENSION]
    with app.app_context():
        services.fragments.keep(claims.GUIDE, claims.guide())
    return [claims.GUIDE]


def _give(settings: Settings) -> None:
    """Give what root has written to whom the cache belongs to: Twine does not run as root."""
    if os.geteuid() == 0:
        owner = settings.cache_folder.stat()
        for path in settings.cache_folder.rglob("*"):
            os.chown(path, owner.st_uid, owner.st_gid)
