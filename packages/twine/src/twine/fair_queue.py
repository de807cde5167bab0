"""Who is served next: clients take turns, however many requests one of them has under way.

A machine works on a few requests at once. Others wait, each in the line of its own client; when one is done, the next
comes from the line whose turn it is. So a client's rush makes that client's line longer, and nobody else's.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Iterator
from contextlib import contextmanager


class Acquaintances:
    """Whose client is whose, for as many as were seen last: a guess that decides about the line, and nothing else."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._clients: OrderedDict[str, str] = OrderedDict()

    def client_of(self, token: str) -> str | None:
        """Return the client that `token` had when it was seen last."""
        return self._clients.get(token)

    def remember(self, token: str, client: str) -> None:
        """Note whose `token` is."""
        with self._lock:
            self._clients[token] = client
            self._clients.move_to_end(token)
            if len(self._clients) > self._most:
                self._clients.popitem(last=False)


class _Ticket:
    """A place in a line."""

    __slots__ = ("called",)

    def __init__(self) -> None:
        self.called = threading.Event()


class FairQueue:
    """At most `slots` requests are worked on, at most `share` of them of one client; at most `line` of one wait."""

    def __init__(self, slots: int, share: int, line: int) -> None:
        self._slots = slots
        self._share = share
        self._line = line
        self._lock = threading.Lock()
        self._working = 0
        self._working_of: dict[str, int] = {}
        # In the order of turns: the client that was served last is last.
        self._lines: OrderedDict[str, deque[_Ticket]] = OrderedDict()

    def enter(self, client: str, patience: float) -> bool:
        """Wait for the client's turn; False when its line is full, or the turn does not come within `patience` seconds."""
        with self._lock:
            line = self._lines.get(client)
            if not line and self._may_work(client):
                self._begin(client)
                return True
            if line is None:
                line = self._lines[client] = deque()
            if len(line) >= self._line:
                return False
            ticket = _Ticket()
            line.append(ticket)
        if ticket.called.wait(patience):
            return True
        with self._lock:
            # The call may have come between the two.
            if ticket.called.is_set():
                return True
            line.remove(ticket)
            self._forget(client)
            return False

    def allow(self, share: int) -> None:
        """Work on at most `share` requests of a client from now on; what is under way is finished."""
        with self._lock:
            self._share = share
            while self._call_next():
                pass

    def leave(self, client: str) -> None:
        """Say that a request is done; the next one is called."""
        with self._lock:
            self._working -= 1
            left = self._working_of[client] - 1
            if left:
                self._working_of[client] = left
            else:
                del self._working_of[client]
            self._call_next()

    @property
    def share(self) -> int:
        """Return how many requests of a client are worked on at the most."""
        return self._share

    def working(self, client: str) -> int:
        """Return how many requests of the client are worked on."""
        with self._lock:
            return self._working_of.get(client, 0)

    def waiting(self, client: str) -> int:
        """Return how many requests of the client wait."""
        with self._lock:
            return len(self._lines.get(client, ()))

    @contextmanager
    def turn(self, client: str, patience: float) -> Iterator[bool]:
        """Wait for the client's turn and keep it for the time of the block; the value says whether it came."""
        entered = self.enter(client, patience)
        try:
            yield entered
        finally:
            if entered:
                self.leave(client)

    def _may_work(self, client: str) -> bool:
        return self._working < self._slots and self._working_of.get(client, 0) < self._share

    def _begin(self, client: str) -> None:
        self._working += 1
        self._working_of[client] = self._working_of.get(client, 0) + 1

    def _call_next(self) -> bool:
        """Call the first of each line that may work, in the order of turns; say whether anybody was called."""
        is_called = False
        for client in list(self._lines):
            if self._may_work(client):
                ticket = self._lines[client].popleft()
                self._begin(client)
                self._lines.move_to_end(client)
                self._forget(client)
                ticket.called.set()
                is_called = True
            if self._working >= self._slots:
                break
        return is_called

    def _forget(self, client: str) -> None:
        if not self._lines[client]:
            del self._lines[client]
