"""The rest of a boot's record: when each unit ran, when the machine was ready, its first good answer, and the caches' hit rate."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from twine_machine.errors import MachineError
from twine_machine.stages import Stages

SECONDS = 90.0
PAUSE = 0.25
TOLD = "machine-config: boot record"
PROPERTIES = ("Id", "ActiveState", "Result", "ActiveEnterTimestampMonotonic")
SYSTEMCTL = "/usr/bin/systemctl"


def probe_of(path: Path) -> dict[str, object]:
    """Return what is asked for: `ready` and `first`, paths at `port` of this machine. Without the file nothing is."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError:
        found = None
    if not isinstance(found, dict) or not {"port", "ready", "first"} <= found.keys():
        raise MachineError(f"Failed to read {path}: it needs port, ready and first. Converge the machine again.")
    return found


def observe(stages: Stages, probe: Mapping[str, object], seconds: float = SECONDS) -> str:
    """Ask until the machine is ready, then for its first page; returns what to say about it."""
    if not probe:
        return "nothing is asked of this machine"
    port, deadline = int(str(probe["port"])), time.monotonic() + seconds
    while get(port, str(probe["ready"]))[0] != 200:
        if time.monotonic() >= deadline:
            stages.note(ready=False)
            raise MachineError(f"Failed to become ready within {seconds:g} s: {probe['ready']} gives no 200. See journalctl -b.")
        time.sleep(PAUSE)
    stages.reach("ready")
    stages.note(ready=True)
    began = time.monotonic()
    status, _body = get(port, str(probe["first"]))
    if status != 200:
        raise MachineError(f"Failed to answer the first request well: {probe['first']} gives {status}. See journalctl -b.")
    stages.reach("first_good_answer")
    stages.note(first_answer_seconds=round(time.monotonic() - began, 4))
    rate = hit_rate(get(port, str(probe["ready"]))[1])
    if rate is not None:
        stages.note(hit_rate=rate)
    return f"ready and answering, {'of unknown warmth' if rate is None else f'{rate:.0%} out of warm caches'}"


def hit_rate(body: bytes) -> float | None:
    """Return hits by looks over all `caches` of a ready answer; None when it names none or nobody has looked."""
    try:
        caches = json.loads(body)["caches"].values()
        hits, misses = (sum(int(cache[name]) for cache in caches) for name in ("hits", "misses"))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return round(hits / (hits + misses), 3) if hits + misses else None


def units(text: str, begin: float) -> dict[str, dict[str, object]]:
    """Read `systemctl show`: unit to its state and the second of this boot in which it became active."""
    found: dict[str, dict[str, object]] = {}
    for block in text.strip().split("\n\n"):
        values = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        entered = int(values.get("ActiveEnterTimestampMonotonic") or 0)
        if "Id" in values and (entered or values.get("ActiveState") == "failed"):
            seconds = {"seconds": round(entered / 1e6 - begin, 3)} if entered else {}
            result = {} if values.get("Result") in (None, "success") else {"result": values["Result"]}
            found[values["Id"]] = {"state": values.get("ActiveState", ""), **seconds, **result}
    return dict(sorted(found.items()))


def ask_systemd() -> str:
    """Return what systemd knows of all services."""
    reading, writing = os.pipe()
    with os.fdopen(reading) as output:
        command = [SYSTEMCTL, "show", "--all", f"--property={','.join(PROPERTIES)}", "*.service"]
        # Not by subprocess: its import takes longer than all that is done with it.
        child = os.posix_spawn(SYSTEMCTL, command, os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, writing, 1)])
        os.close(writing)
        text = output.read()
    os.waitpid(child, 0)
    return text


def get(port: int, path: str) -> tuple[int, bytes]:
    """Ask this machine over HTTP; 0 when nobody answers. By hand: the library would double the time of this process."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(f"GET {path} HTTP/1.0\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
    except OSError:
        return 0, b""
    head, _blank, body = answer.partition(b"\r\n\r\n")
    words = head.split(b" ", 2)
    return (int(words[1]) if len(words) > 1 and words[1].isdigit() else 0), body


def told(record: Mapping[str, object]) -> str:
    """Return the line by which a console tells a record to who may read it there: of the units only those that failed."""
    failed = {name: unit for name, unit in _mapping(record.get("units")).items() if _mapping(unit).get("state") == "failed"}
    return f"{TOLD} {json.dumps({**record, 'units': failed}, separators=(',', ':'))}"


def table(record: Mapping[str, object]) -> Iterable[str]:
    """Return the stages and units of a record for people, in the order of time."""
    rows = [(float(str(seconds)), name) for name, seconds in _mapping(record.get("stages")).items()]
    for name, unit in _mapping(record.get("units")).items():
        values = _mapping(unit)
        if "seconds" in values:
            rows.append((float(str(values["seconds"])), f"{name} {values['state']}"))
    yield from (f"{seconds:9.3f}  {name}" for seconds, name in sorted(rows))
    for name in ("outcome", "error", "ready", "first_answer_seconds", "hit_rate"):
        if name in record:
            yield f"{name.replace('_', ' ')}: {record[name]}"


def _mapping(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}
