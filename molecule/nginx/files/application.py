"""A stand-in for the application: answers on the unix socket, tells what it was asked, takes its time where told to."""

import json
import socketserver
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path

SOCKET = Path("/run/twine/twine.sock")


class Handler(BaseHTTPRequestHandler):
    """Answers every path with the request's headers as JSON."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer, on /slow only after two seconds: the time a real request may take."""
        if self.path.startswith("/slow"):
            time.sleep(2)
        body = json.dumps({"path": self.path, "headers": dict(self.headers)}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def address_string(self) -> str:
        """Return a name for the log: a unix socket has no address."""
        return "nginx"


class Server(socketserver.ThreadingUnixStreamServer):
    """One thread a connection."""

    daemon_threads = True


SOCKET.unlink(missing_ok=True)
with Server(str(SOCKET), Handler) as server:
    SOCKET.chmod(0o666)
    server.serve_forever()
