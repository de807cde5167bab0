from __future__ import annotations

import socket
import subprocess
import sys
import threading

from tools import checkout


def test_what_is_asked_and_answered_passes_unchanged() -> None:
    asked: list[bytes] = []

    def serve() -> None:
        connection, _address = server.accept()
        with connection:
            while block := connection.recv(65536):
                asked.append(block)
            connection.sendall(b"answer" * 50_000)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve)
        thread.start()
        command = [sys.executable, "-m", "tools.relay", str(server.getsockname()[1])]
        done = subprocess.run(command, cwd=checkout.ROOT, input=b"question" * 50_000, capture_output=True, timeout=30, check=True)
        thread.join()
    assert b"".join(asked) == b"question" * 50_000
    assert done.stdout == b"answer" * 50_000
