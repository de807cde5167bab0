"""One request over HTTP, with every way in which it can fail to be answered made one error."""

from __future__ import annotations

import http.client
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass

from twine_machine.errors import MachineError, NotYet

PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Answer:
    """A status and a body."""

    status: int
    body: bytes


@dataclass(frozen=True)
class Address:
    """Where a server is."""

    scheme: str
    host: str
    port: int

    @property
    def netloc(self) -> str:
        """Return what the Host header says."""
        return self.host if self.port == PORTS[self.scheme] else f"{self.host}:{self.port}"


def address(url: str) -> Address:
    """Take a server's address apart."""
    parts = urllib.parse.urlsplit(url)
    try:
        if parts.scheme in PORTS and parts.hostname:
            return Address(parts.scheme, parts.hostname, parts.port or PORTS[parts.scheme])
    except ValueError:
        pass
    raise MachineError(f"Failed to understand the address {url}: it is no http or https URL. Correct it in the user data.")


def ask(server: Address, method: str, path: str, headers: Mapping[str, str], body: bytes | None, seconds: float) -> Answer:
    """Send one request and read the whole answer within `seconds` for each of its steps. NotYet when there is none."""
    maker = http.client.HTTPSConnection if server.scheme == "https" else http.client.HTTPConnection
    connection = maker(server.host, server.port, timeout=seconds)
    try:
        connection.request(method, path, body, dict(headers))
        answer = connection.getresponse()
        return Answer(answer.status, answer.read())
    except TimeoutError:
        raise NotYet(f"{server.netloc} did not answer in time") from None
    except (OSError, http.client.HTTPException) as error:
        raise NotYet(f"{server.netloc} is not reached ({error})") from None
    finally:
        connection.close()
