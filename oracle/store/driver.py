"""Connections to PostgreSQL that do not wait for ever: the one door to psycopg itself.

A server that is stopped, frozen or cut off by a switch closes no connection and refuses none. The kernel goes on taking
what is sent, so that neither keepalives nor `tcp_user_timeout` notice, and a server-side time limit is the server's to
keep. So the waiting itself has an end: a connection that was silent for too long is closed on our side.
"""

from __future__ import annotations

from functools import cache
from typing import Any


@cache
def _kind() -> Any:
    """Return the class of such connections; psycopg is imported where PostgreSQL is used."""
    import psycopg

    class Limited(psycopg.Connection[Any]):
        """A connection whose every wait may have an end."""

        silence: float | None = None
        """Seconds after which a server that says nothing is given up; None: never."""

        def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
            """Return what the server says.

            Raises:
                OperationalError: it said nothing for too long; the connection is closed.
            """
            if timeout is not None or self.silence is None:
                return super().wait(gen, interval, timeout)
            try:
                return super().wait(gen, interval, self.silence)
            except psycopg.errors._WaitTimeout as error:
                self.pgconn.finish()
                raise psycopg.OperationalError(f"the server said nothing for {self.silence:g} s") from error

    return Limited


def connected(_dialect: Any, _record: Any, arguments: Any, given: Any) -> Any:
    """Return a new connection, in place of SQLAlchemy's own call."""
    return _kind().connect(*arguments, **given)
