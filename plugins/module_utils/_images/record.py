"""The record of an image: a small JSON file beside which its manifest lies. A bake writes one, and so does whatever else makes images."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .manifest import Build, ManifestError, listening


@dataclass(frozen=True)
class Record:
    """Where an image's file system is to be had, where its manifest lies, and which ports a machine of it has, if somebody asked one."""

    build: Build
    manifest: Path
    docker_id: str
    path: str
    ports: list[str] | None


def read_record(path: Path) -> Record:
    """The record in a file.

    :raises ManifestError: if it is not there or does not say enough.
    """
    try:
        found: dict[str, Any] = json.loads(path.read_text())
        docker_id, place, ports = str(found.get("docker_id", "")), str(found.get("path", "")), found.get("ports")
        build = Build(
            role=found["role"],
            kind=found.get("kind", "docker"),
            id=found.get("id") or docker_id,
            bake_key=found["bake_key"],
            base=found.get("base") or found["inputs"]["base image"].removeprefix("sha256:"),
        )
    except FileNotFoundError:
        raise ManifestError(f"Failed to read the record {path}: it is not there. Make the image, which writes it.") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ManifestError(f"Failed to read the record {path}: it is broken or lacks {error}. Make the image again, which writes it.") from None
    if not build.id or not (docker_id or place):
        raise ManifestError(f"Failed to read the record {path}: it names neither docker_id nor id and path. Make the image again, which writes it.")
    return Record(build, path.with_suffix(".manifest.json"), docker_id, place, None if ports is None else listening(ports))
