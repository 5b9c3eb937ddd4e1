"""One delivery over HTTP, the only door of the house to somebody else's server: signed, timed out, never redirected."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import urllib3
from urllib3.exceptions import HTTPError

from oracle.alerts.message import Message, body, signature

LONGEST_ANSWER = 1024
"""Bytes of an answer that are read: it is only told in an error."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """A receiver."""

    address: str
    secret: str
    timeout: float
    """Seconds for the connection, and again for the answer."""

    def post(self, told: Message, now: dt.datetime) -> str | None:
        """Deliver one alert and return what went wrong, None where the receiver took it.

        A receiver answers with any 2xx. A redirect is a failure: an alert goes where it was addressed to.
        """
        content, timestamp = body(told), int(now.timestamp())
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "equine-oracle",
            "X-Oracle-Alert": told.alert_id,
            "X-Oracle-Timestamp": str(timestamp),
            "X-Oracle-Signature": signature(self.secret, timestamp, content),
        }
        timeout = urllib3.Timeout(connect=self.timeout, read=self.timeout)
        try:
            with urllib3.PoolManager(retries=False, timeout=timeout) as pool:
                answer = pool.request(
                    "POST", self.address, body=content, headers=headers, redirect=False, preload_content=False
                )
                said = answer.read(LONGEST_ANSWER, decode_content=False)
                answer.close()
        except HTTPError as error:
            return f"{type(error).__name__}: {error}"
        if 200 <= answer.status < 300:
            return None
        return f"HTTP {answer.status}: {said[:200].decode(errors='replace').strip()}".rstrip(": ")
