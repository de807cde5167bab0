"""Arguments that several modules take; plugins/doc_fragments says what they mean."""

from __future__ import annotations

from typing import Any

Arguments = dict[str, dict[str, Any]]

APTLY: Arguments = {
    "lock_timeout": {"type": "int", "default": 600},
    "root": {"type": "path", "default": "/var/lib/aptly"},
    "config": {"type": "path", "default": "/etc/aptly.conf"},
    "user": {"type": "str", "default": "aptly"},
    "writer": {"type": "str", "default": ""},
}

BUILD: Arguments = {
    "checkout": {"type": "path", "required": True},
    "packages": {"type": "list", "elements": "str", "default": []},
    "folder": {"type": "str", "default": "packages"},
    "distribution": {"type": "str", "default": "deb12"},
    "base_image": {"type": "str", "default": "twine/base:bookworm"},
    "labels": {"type": "dict", "default": {}},
}

PACKAGE: Arguments = {
    "name": {"type": "str", "required": True},
    "version": {"type": "str", "required": True},
    "architecture": {"type": "str", "required": True},
    "sha256": {"type": "str", "required": True},
    "file": {"type": "str"},
}
