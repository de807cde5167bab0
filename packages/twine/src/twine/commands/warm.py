"""twine warm: do at the bake what the first requests would wait for. It opens nothing that belongs to a client."""

from __future__ import annotations

import argparse
import compileall
import importlib
import os
from pathlib import Path

from twine.application import create_app
from twine.pages import claims
from twine.services import EXTENSION, Services
from twine.settings import Settings, machine_values, read_settings

# What the bake does not know yet, and what warming does not use.
NOWHERE = {"TWINE_DATABASE_HOST": "none.invalid", "TWINE_SESSION_REDIS_URL": "redis://none.invalid/0"}
LAZY = ("elasticsearch",)


def add_arguments(_parser: argparse.ArgumentParser) -> None:
    """Say what the command takes: nothing."""


def run(_arguments: argparse.Namespace) -> int:
    """Compile code and templates, render what is the same for everybody."""
    known = {name: value for name, value in {**machine_values(), **os.environ}.items() if value}
    settings = read_settings({**NOWHERE, **known})
    print(f"code: {_compile_code()}")
    print(f"templates: {_compile_templates(settings)}")
    print(f"fragments: {_fill_fragments(settings)}")
    return 0


def _compile_code() -> str:
    package = Path(__file__).parents[1]
    for name in LAZY:
        importlib.import_module(name)
    if not os.access(package, os.W_OK):
        return "compiled by the package"
    compileall.compile_dir(package, quiet=1)
    return "compiled"


def _compile_templates(settings: Settings) -> str:
    folder = settings.cache_folder / "templates"
    folder.mkdir(parents=True, exist_ok=True)
    environment = create_app(settings).jinja_env
    names = environment.list_templates(extensions=["html"])
    for name in names:
        environment.get_template(name)
    if os.geteuid() == 0:
        _give(folder, settings.cache_folder.stat())
    return f"{len(names)} compiled into {folder}"


def _give(folder: Path, owner: os.stat_result) -> None:
    """Give what root has written to whom the cache belongs to: Twine does not run as root."""
    for path in (folder, *folder.iterdir()):
        os.chown(path, owner.st_uid, owner.st_gid)


def _fill_fragments(settings: Settings) -> str:
    app = create_app(settings)
    services: Services = app.extensions[EXTENSION]
    if not services.fragments.answers():
        return "Redis is not running here, the first request renders them"
    with app.app_context():
        services.fragments.common(claims.GUIDE, claims.GUIDE_SECONDS, claims.guide)
    return "1 stored"
