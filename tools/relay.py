"""Passes standard input and output on to a port of this machine: QEMU starts one for each connection of its guest."""

from __future__ import annotations

import os
import socket
import sys
import threading

BLOCK = 65536


def relay(port: int, reading: int, writing: int) -> None:
    """Pass on what comes, both ways, until the port's side ends."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        threading.Thread(target=_send, args=(connection, reading), daemon=True).start()
        while block := connection.recv(BLOCK):
            _write(writing, block)


def _send(connection: socket.socket, reading: int) -> None:
    try:
        while block := os.read(reading, BLOCK):
            connection.sendall(block)
        connection.shutdown(socket.SHUT_WR)
    except OSError:
        return


def _write(writing: int, block: bytes) -> None:
    while block:
        block = block[os.write(writing, block) :]


if __name__ == "__main__":
    relay(int(sys.argv[1]), 0, 1)
