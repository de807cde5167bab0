"""Wait until this machine's Elasticsearch can reach its data: `python3 -I ready.py [--seconds N] [--process ID] [--unit NAME]`."""

from __future__ import annotations

import argparse
import base64
import http.client
import json
import ssl
import subprocess
import sys
import time
from pathlib import Path

SETTINGS = Path("/etc/elasticsearch/elasticsearch.yml")
AUTHORITY = Path("/etc/elasticsearch/certs/ca.crt")
SECRETS = (Path("/run/machine/secrets/search"), Path("/etc/machine/secrets/search"))
BETWEEN_QUESTIONS = 0.25


def port(settings: str) -> int:
    """Return the port of the HTTP interface from the text of elasticsearch.yml."""
    found = (line.split(":", 1)[1] for line in settings.splitlines() if line.startswith("http.port:"))
    return int(next(found, "9200"))


def status(address: int, password: str) -> str:
    """Return the cluster's status: green, yellow or red. Raise OSError or ValueError where there is none."""
    context = ssl.create_default_context(cafile=str(AUTHORITY))
    connection = http.client.HTTPSConnection("localhost", address, timeout=10, context=context)
    credentials = base64.b64encode(f"elastic:{password}".encode()).decode()
    try:
        connection.request("GET", "/_cluster/health", headers={"Authorization": f"Basic {credentials}"})
        answer = connection.getresponse()
        body = answer.read()
    except http.client.HTTPException as error:
        raise OSError(f"it broke off: {error}") from error
    finally:
        connection.close()
    if answer.status != http.client.OK:
        raise OSError(f"it answers {answer.status}")
    return str(json.loads(body)["status"])


def why_not_ready() -> str | None:
    """Return what is missing, or None when the node is ready."""
    try:
        password = next(path for path in SECRETS if path.is_file()).read_text(encoding="utf-8").strip()
        colour = status(port(SETTINGS.read_text(encoding="utf-8")), password)
    except StopIteration:
        return f"there is no secret {SECRETS[0]} or {SECRETS[1]}"
    except (OSError, ValueError, KeyError) as error:
        return str(error)
    return None if colour in {"green", "yellow"} else f"its status is {colour}"


def state_of(unit: str | None) -> dict[str, str]:
    """Return what systemd knows of the unit: its ActiveState, and NRestarts, how often it was started again by itself."""
    if unit is None:
        return {}
    command = ["systemctl", "show", "--property=ActiveState,NRestarts", unit]
    lines = subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


def why_in_vain(process: int | None, unit: str | None, first: dict[str, str]) -> str | None:
    """Return why no answer can come, or None when one may; `first` is the unit's state when the waiting began."""
    if process is not None and not Path("/proc", str(process)).exists():
        return "its process is gone"
    state = state_of(unit)
    if state.get("ActiveState") in {"failed", "inactive"}:
        return f"{unit} is {state['ActiveState']}"
    if state.get("NRestarts") != first.get("NRestarts"):
        return f"{unit} fails while it starts, and is started again"
    return None


def main() -> int:
    """Ask until the answer is yes, the time is over, or the process or unit that should answer is gone."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--process", type=int)
    parser.add_argument("--unit")
    arguments = parser.parse_args()
    first = state_of(arguments.unit)
    end = time.monotonic() + arguments.seconds
    reason = why_not_ready()
    while reason is not None and time.monotonic() < end:
        if in_vain := why_in_vain(arguments.process, arguments.unit, first):
            reason = in_vain
            break
        time.sleep(BETWEEN_QUESTIONS)
        reason = why_not_ready()
    if reason is not None:
        print(f"Failed to reach Elasticsearch: {reason}. Read `journalctl -u elasticsearch`.", file=sys.stderr)
    return 0 if reason is None else 1


if __name__ == "__main__":
    sys.exit(main())
