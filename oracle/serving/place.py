"""Where the app listens, and whether it can."""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass

from oracle.errors import BadInput

ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}


class PortTaken(BadInput):
    """Somebody else listens on the port."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the app listens."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """Address of the app, as a caller on this machine writes it."""
        return f"http://{f'[{self.near}]' if ':' in self.near else self.near}:{self.port}"

    @property
    def near(self) -> str:
        """The host to connect to from this machine: "every interface" is no address to call."""
        return ANYWHERE.get(self.host, self.host)


def claim(place: Place) -> None:
    """Return if the place can be listened on.

    Raises:
        PortTaken: another process listens there.
        BadInput: the host is no address of this machine, or the port needs rights we do not have.
    """
    try:
        family, kind, _, _, where = socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(where)
    except OSError as error:
        shown = f"{place.host}:{place.port}"
        if error.errno == errno.EADDRINUSE:
            raise PortTaken("the port is in use", value=shown, next_step="choose another with --port") from error
        raise BadInput(f"cannot listen there: {error.strerror}", value=shown, next_step="see --host, --port") from error
