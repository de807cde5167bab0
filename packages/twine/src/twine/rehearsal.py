"""The first requests, rehearsed where there is no database, no session and no client: at the bake.

What a process has read when it has answered them, the next machine reads ahead while it boots.
"""

from __future__ import annotations

import importlib
import secrets as random
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from twine.application import create_app
from twine.errors import TwineError
from twine.settings import Secrets, Settings

# What an answer needs, and what only a server loads.
PAGES = ("/login", "/health")
LAZY = ("gunicorn.workers.gthread", "elasticsearch")
MAPS = Path("/proc/self/maps")


def rehearse(settings: Settings) -> tuple[dict[str, int], list[str]]:
    """Ask for the pages that need nobody; return page to status, and the files that were read for it."""
    for name in LAZY:
        importlib.import_module(name)
    with tempfile.TemporaryDirectory() as folder:
        # A key of this moment: no secret of a machine is there, and none is needed.
        Path(folder, "session_key").write_text(random.token_hex(), encoding="ascii")
        client = create_app(replace(settings, secrets=Secrets((Path(folder),)))).test_client()
        answers = {page: client.get(page).status_code for page in PAGES}
    failed = [f"{page}: {status}" for page, status in answers.items() if status != 200]
    if failed:
        raise TwineError(f"Failed to rehearse the first requests: {', '.join(failed)}. See what the page needs that an image has not.")
    return answers, sorted({*_modules(), *_mapped(MAPS.read_text()), *_below(settings.cache_folder)})


def _modules() -> Iterable[str]:
    for module in list(sys.modules.values()):
        for path in (getattr(module, "__cached__", None), getattr(module, "__file__", None)):
            if path and Path(path).is_file():
                yield str(path)
                break


def _mapped(maps: str) -> Iterable[str]:
    for line in maps.splitlines():
        path = line[line.find("/") :] if "/" in line else ""
        if path and Path(path).is_file():
            yield path


def _below(folder: Path) -> Iterable[str]:
    return (str(path) for path in folder.rglob("*") if path.is_file() and path.name != "warm.json")
