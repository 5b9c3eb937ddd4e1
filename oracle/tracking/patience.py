"""Uploads that outlast an artifact store that is away for a moment: a training of hours must not end by it.

Whatever says that the store cannot be reached, or could not do it just now, is tried again; a refusal is told at once.
What is tried again must be the same the second time: a file under a name.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from oracle.errors import Unavailable
from oracle.tracking.connection import reaching

LOG = logging.getLogger("oracle.tracking")
T = TypeVar("T")
PATIENCE = 180.0
"""Seconds: three times the minute that a service takes to be started again."""
FIRST_WAIT, LONGEST_WAIT = 0.5, 10.0
PASSING = (
    *("Could not connect to the endpoint", "Connection was closed", "Connect timeout", "Read timeout"),
    *("Connection refused", "Connection aborted", "Connection reset", "Max retries exceeded", "timed out"),
    *("SlowDown", "ServiceUnavailable", "InternalError", "(500)", "(502)", "(503)", "(504)"),
    *("500 Server Error", "502 Server Error", "503 Server Error", "504 Server Error"),
)
"""Words by which boto3 and requests say that the same may work a moment later."""


def outlast(uri: str, work: Callable[[], T], *, seconds: float = PATIENCE) -> T:
    """Return what the work returns, after as many attempts as the patience allows.

    Args:
        uri: Address of the tracking store, as an error names it.
        work: What to do; it may run again after it was done half.
        seconds: The patience.

    Raises:
        Unavailable: the artifact store stayed away for longer, or refuses.
        OracleError: the call itself was wrong.
    """
    begun, wait, told = time.perf_counter(), FIRST_WAIT, False
    while True:
        try:
            with reaching(uri):
                return work()
        except Unavailable as error:
            if not any(word in str(error) for word in PASSING) or time.perf_counter() - begun + wait > seconds:
                raise
            if not told:
                LOG.warning("the artifact store does not answer, waiting up to %.0f s: %s", seconds, error)
            told = True
        time.sleep(wait)
        wait = min(2 * wait, LONGEST_WAIT)
