"""What a process logs holds no personal data, whoever logs it and however."""

from __future__ import annotations

import io
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from oracle.governance import logs


@pytest.fixture
def said() -> Iterator[io.StringIO]:
    before = logging.getLogRecordFactory(), sys.excepthook, threading.excepthook
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    logger = logging.getLogger("a library")
    logger.addHandler(handler)
    logs.install()
    logs.install()
    yield out
    logger.removeHandler(handler)
    logging.setLogRecordFactory(before[0])
    sys.excepthook, threading.excepthook = before[1:]


def test_messages_their_parts_and_their_exceptions_are_masked(said: io.StringIO) -> None:
    logger = logging.getLogger("a library")
    logger.error("for jo@example.com")
    logger.error("for %s and %s, %d times", "jo@example.com", ValueError("+852 2345 6789"), 3)
    logger.error("for %(who)s", {"who": "jo@example.com"})
    logger.error("card %d", 4111111111111111)
    logger.error("%s@%s", "jo", "example.com")
    try:
        raise ValueError("no jo@example.com\nin 221B Baker Street")
    except ValueError:
        logger.exception("failed")
    told = said.getvalue()
    assert "jo@" not in told
    assert "2345" not in told
    assert "4111" not in told
    assert "Baker" not in told
    assert "for [email] and [phone], 3 times" in told
    assert "Traceback" in told


def test_a_message_that_cannot_be_made_and_an_access_log_reach_their_handlers_as_they_were(said: io.StringIO) -> None:
    seen: list[logging.LogRecord] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(record)

    logger = logging.getLogger("access")
    logger.propagate = False
    logger.setLevel(logging.INFO)
    logger.addHandler(Keep())
    logger.info('%s - "%s %s HTTP/%s" %d', "127.0.0.1:4711", "GET", "/v1/races/jo%40example.com", "1.1", 200)
    logger.info("%d", "no number")
    assert seen[0].args == ("127.0.0.1:4711", "GET", "/v1/races/[email]", "1.1", 200)
    assert (seen[1].msg, seen[1].args) == ("%d", ("no number",))


def test_what_nobody_catches_is_masked_on_its_way_out() -> None:
    script = (
        "import threading\nfrom oracle import process\nprocess.settle()\n"
        "def fail(): raise ValueError('jo@example.com')\n"
        "t = threading.Thread(target=fail); t.start(); t.join()\nfail()"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.count("ValueError: [email]") == 2
    assert "jo@" not in done.stderr
