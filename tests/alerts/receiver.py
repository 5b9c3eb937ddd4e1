"""A receiver of webhooks on the loopback interface, which can be told to fail."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Receiver:
    address: str = ""
    answers: list[int] = field(default_factory=list)
    """Status codes of the next answers; 200 once they are used up."""
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    """Headers and body of all that came."""
    accepted: list[tuple[dict[str, str], bytes]] = field(default_factory=list)


@contextmanager
def receiving(*answers: int) -> Iterator[Receiver]:
    """Hold a receiver while the block runs."""
    receiver = Receiver(answers=list(answers))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            came = (dict(self.headers), self.rfile.read(int(self.headers["Content-Length"])))
            receiver.requests.append(came)
            status = receiver.answers.pop(0) if receiver.answers else 200
            if status == 200:
                receiver.accepted.append(came)
            self.send_response(status)
            if status in (301, 307):
                self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "4")
            self.end_headers()
            self.wfile.write(b"said")

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    receiver.address = f"http://127.0.0.1:{server.server_address[1]}/alerts"
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
