"""gunicorn, as Twine runs it: one process, whose threads serve."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication

from twine.application import create_app
from twine.services import EXTENSION
from twine.settings import Settings

GRACEFUL_SECONDS = 25
KEEP_ALIVE_SECONDS = 75
PRIVATE = 0o077
SHARED_MEMORY = Path("/dev/shm")


def serve(settings: Settings, bind: str) -> None:
    """Serve until SIGTERM; then finish what is under way."""
    _Server(settings, bind).run()


class _Server(BaseApplication):
    def __init__(self, settings: Settings, bind: str) -> None:
        self._settings = settings
        self._bind = bind
        super().__init__()

    def load_config(self) -> None:
        options: dict[str, Any] = {
            "bind": self._bind,
            "worker_class": "gthread",
            "workers": 1,
            # Whoever waits for the client's turn needs a thread, too.
            "threads": self._settings.threads + self._settings.waiting,
            "preload_app": True,
            "graceful_timeout": GRACEFUL_SECONDS,
            # nginx takes a new connection for each request, which costs little on a socket of the machine.
            "keepalive": 0 if self._bind.startswith("unix:") else KEEP_ALIVE_SECONDS,
            "proc_name": "twine",
            # The folder of the socket keeps strangers out, not the socket: nginx is of another group.
            "umask": 0,
            "post_worker_init": _open,
            "worker_exit": _close,
            # Its heartbeat is a file: in memory, as a slow disk must not look like a hanging worker.
            "worker_tmp_dir": str(SHARED_MEMORY) if SHARED_MEMORY.is_dir() else None,
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        return create_app(self._settings)


def _open(worker: Any) -> None:
    os.umask(PRIVATE)
    worker.wsgi.extensions[EXTENSION].open()


def _close(_server: Any, worker: Any) -> None:
    if worker.wsgi is not None:
        worker.wsgi.extensions[EXTENSION].close()
