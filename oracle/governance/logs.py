"""No personal data in logs: every record of this process is masked where it is made.

One hook for all loggers and handlers, those of libraries included: a handler that is added later finds nothing more to
mask. An exception is masked with its traceback, for its message may repeat what somebody sent; so is one that nobody
catches.
"""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from types import TracebackType
from typing import Any

from oracle.governance.glance import kept

_FORMATTER = logging.Formatter()


class _Masking:
    """Makes records with a factory and masks them."""

    def __init__(self, make: Any) -> None:
        self._make = make

    def __call__(self, *arguments: Any, **named: Any) -> logging.LogRecord:
        record: logging.LogRecord = self._make(*arguments, **named)
        record.msg = _clean(record.msg)
        if isinstance(record.args, tuple):
            record.args = tuple(_clean(each) for each in record.args)
        elif isinstance(record.args, dict):
            record.args = {name: _clean(each) for name, each in record.args.items()}
        if record.exc_info and record.exc_info[0] is not None:
            record.exc_text = masked_lines(_FORMATTER.formatException(record.exc_info))
            record.exc_info = None  # whoever formats it again would format what it holds
        if record.stack_info:
            record.stack_info = masked_lines(record.stack_info)
        _look_at_the_whole(record)
        return record


def _look_at_the_whole(record: logging.LogRecord) -> None:
    """Mask what only the whole message shows, such as a number given as a number."""
    try:
        whole = record.getMessage()
    except Exception:  # noqa: BLE001 - a message that cannot be made is the handler's to complain of
        return
    if (clean := kept(whole)) != whole:
        record.msg, record.args = clean, ()


def _clean(value: Any) -> Any:
    """Return a part of a message: numbers as they are, everything else as the text it will be, where that is masked."""
    if value is None or isinstance(value, bool | int | float):
        return value
    try:
        text = str(value)
    except Exception:  # noqa: BLE001 - as above
        return value
    clean = kept(text)
    return value if clean == text else clean


def masked_lines(text: str) -> str:
    """Return a text of many lines, each of them masked on its own."""
    return "\n".join(map(kept, text.split("\n")))


def install() -> None:
    """Mask every log record and every uncaught exception of this process from now on. Idempotent."""
    make = logging.getLogRecordFactory()
    if not isinstance(make, _Masking):
        logging.setLogRecordFactory(_Masking(make))
    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = _uncaught
    if threading.excepthook is threading.__excepthook__:
        threading.excepthook = _uncaught_in_thread


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    sys.stderr.write(masked_lines("".join(traceback.format_exception(kind, error, trace))))


def _uncaught_in_thread(told: threading.ExceptHookArgs) -> None:
    if told.exc_value is not None and told.exc_type is not SystemExit:
        sys.stderr.write(f"in thread {told.thread.name if told.thread else '?'}:\n")
        _uncaught(told.exc_type, told.exc_value, told.exc_traceback)
