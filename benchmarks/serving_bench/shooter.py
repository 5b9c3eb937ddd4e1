"""The load generator: a program of its own, of the standard library only, whose processor time is nobody's.

It reads orders from standard input, one JSON object a line (the fields of `Order`), and writes one JSON object a line
back. It keeps each of its connections busy with one request at a time ("closed loop"), so a slow server is asked less
often and its latencies hold no queue but that of the connections themselves. Only an answer of status 200 whose body
holds as many `"win"` as the card has runners counts as an answer; everything else is an error and ends the connection.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

READ = 1 << 17
TIMEOUT = 30.0
"""Seconds without any answer after which the connections that wait are given up."""


@dataclass(frozen=True, slots=True)
class Order:
    """What to do, as it is read from standard input."""

    port: int
    head: str
    """Request line and headers, without the empty line at their end; `{user}` is replaced by a number of the user."""
    bodies: tuple[str, str]
    """The body before and after the number that varies."""
    first: int
    """Number of the first request: the varying number of request i is made of first + i, or of `first` alone."""
    distinct: bool
    """Whether the number moves on with each request."""
    runners: int
    connections: int
    seconds: float
    users: int = 997


def number(i: int) -> str:
    """Return the i-th number to vary a card with: a weight in kilograms, always seven characters, i modulo 400,000.

    >>> number(0), number(123456), number(400_000)
    ('50.0000', '62.3456', '50.0000')
    """
    return f"{50 + (i % 400_000) / 10_000:.4f}"


def request(order: Order, i: int) -> bytes:
    """Return the i-th request of an order, as it goes over the wire."""
    varied = number(order.first + i if order.distinct else order.first)
    body = f"{order.bodies[0]}{varied}{order.bodies[1]}".encode()
    head = order.head.replace("{user}", str((order.first + i) % order.users))
    return f"{head}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def complete(data: bytes) -> tuple[int, bytes] | None:
    r"""Return status and body of an HTTP/1.1 answer, or None while parts of it are still to come.

    >>> complete(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi")
    (200, b'hi')
    >>> complete(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n")
    (200, b'hi')
    >>> complete(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nh") is None
    True
    """
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = data[:end].lower()
    status = int(head[9:12])
    at = head.find(b"\r\ncontent-length:")
    if at >= 0:
        length = int(head[at + 17 :].split(b"\r\n", 1)[0])
        return (status, data[end + 4 :]) if len(data) - end - 4 >= length else None
    if b"\r\ntransfer-encoding: chunked" in head:
        return (status, _dechunked(data[end + 4 :])) if data.endswith(b"0\r\n\r\n") else None
    return status, b""


def _dechunked(data: bytes) -> bytes:
    parts: list[bytes] = []
    while True:
        size, data = data.split(b"\r\n", 1)
        if not int(size, 16):
            return b"".join(parts)
        parts.append(data[: int(size, 16)])
        data = data[int(size, 16) + 2 :]


class Connection:
    """One connection with one request under way."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self.socket = socket.create_connection(("127.0.0.1", order.port), timeout=TIMEOUT)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._data = b""
        self._sent = 0.0

    def send(self, i: int) -> None:
        """Send the i-th request."""
        self._data = b""
        message = request(self._order, i)
        self._sent = time.perf_counter()
        self.socket.sendall(message)

    def receive(self) -> float | None:
        """Take in what has come; return the seconds since the request once the answer is whole, None before.

        Raises:
            ValueError: what came is no answer to the card.
        """
        part = self.socket.recv(READ)
        if not part:
            raise ValueError("the connection was closed")
        self._data = self._data + part if self._data else part
        found = complete(self._data)
        if found is None:
            return None
        taken = time.perf_counter() - self._sent
        status, body = found
        if status != 200 or body.count(b'"win"') != self._order.runners:
            raise ValueError(f"status {status}: {body[:300].decode(errors='replace')}")
        return taken


@dataclass(slots=True)
class Shooting:
    """What came of an order so far."""

    sent: int = 0
    errors: int = 0
    first_error: str = ""
    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)

    def failed(self, error: Exception) -> None:
        """Count a request that was not answered."""
        self.errors += 1
        self.first_error = self.first_error or f"{type(error).__name__}: {error}"


def shoot(order: Order) -> Shooting:
    """Keep the connections busy for the seconds of the order, wait for the last answers, and return what came."""
    found = Shooting()
    poll = select.epoll()
    busy: dict[int, Connection] = {}
    began = time.perf_counter()
    until = began + order.seconds

    def begin(connection: Connection | None = None) -> None:
        try:
            connection = connection or _opened(order, poll, busy)
            connection.send(found.sent)
        except OSError as error:
            found.failed(error)
            time.sleep(0.01)  # a server that refuses is not hammered
        found.sent += 1

    for _ in range(order.connections):
        begin()
    while busy:
        for connection in _ready(poll, busy, found):
            if time.perf_counter() < until:
                begin(connection)
            else:
                _drop(poll, busy, connection)
        while len(busy) < order.connections and time.perf_counter() < until:
            begin()
    found.seconds = time.perf_counter() - began
    return found


def _opened(order: Order, poll: select.epoll, busy: dict[int, Connection]) -> Connection:
    connection = Connection(order)
    busy[connection.socket.fileno()] = connection
    poll.register(connection.socket.fileno(), select.EPOLLIN)
    return connection


def _drop(poll: select.epoll, busy: dict[int, Connection], connection: Connection) -> None:
    poll.unregister(connection.socket.fileno())
    del busy[connection.socket.fileno()]
    connection.socket.close()


def _ready(poll: select.epoll, busy: dict[int, Connection], found: Shooting) -> Iterator[Connection]:
    """Yield each connection whose answer came; drop those that failed, and all where nothing comes any more."""
    events = poll.poll(TIMEOUT)
    for connection in list(busy.values()) if not events else []:
        found.failed(TimeoutError(f"no answer for {TIMEOUT:.0f} s"))
        _drop(poll, busy, connection)
    for descriptor, _ in events:
        connection = busy[descriptor]
        try:
            taken = connection.receive()
        except (OSError, ValueError) as error:
            found.failed(error)
            _drop(poll, busy, connection)
            continue
        if taken is not None:
            found.latencies.append(taken)
            yield connection


def main() -> int:
    """Carry out orders until there are no more."""
    for line in sys.stdin:
        found = shoot(Order(**json.loads(line)))
        told = {name: getattr(found, name) for name in Shooting.__dataclass_fields__}
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
