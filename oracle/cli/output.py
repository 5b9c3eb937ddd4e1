"""What a command may print, and how it ends.

Standard output carries the result and nothing else: one JSON document with `--json`, a readable text without. All that
libraries print on the way goes to standard error, by file descriptor, so that a chatty C++ library cannot spoil a pipe.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from typing import Annotated, Any, TypeVar

import orjson
import typer
from tqdm import tqdm

from oracle.errors import OracleError
from oracle.governance.logs import masked_lines
from oracle.governance.privacy import mask

T = TypeVar("T")

INTERRUPTED = 130
"""Exit code of a command that was stopped by Ctrl-C or a signal: what shells expect, 128 + SIGINT."""

UsageError: type[Exception] = typer.BadParameter.__mro__[1]
"""What the command-line parser raises for any wrong usage: Typer has its own click and exports the child only."""

Json = Annotated[bool, typer.Option("--json", help="Print exactly one JSON document on standard output.")]


def bars(items: Iterable[T], what: str, total: int | None = None) -> Iterator[T]:
    """Pass the items through and draw a progress bar on standard error once the work takes longer than a second."""
    seldom = 0.1 if sys.stderr.isatty() else 10.0  # a log file keeps every frame
    yield from tqdm(
        items, desc=what, total=total, file=sys.stderr, delay=1.0, mininterval=seldom, dynamic_ncols=True, leave=False
    )


def logged() -> None:
    """Send what our own rooms log to standard error; other libraries stay as quiet as they are."""
    ours = logging.getLogger("oracle")
    if not ours.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        ours.addHandler(handler)
    ours.setLevel(logging.INFO)


class _Result:
    """Holds the real standard output while everything else is sent to standard error."""

    fd = 1

    @classmethod
    def claim(cls) -> None:
        if cls.fd == 1:
            sys.stdout.flush()
            cls.fd = os.dup(1)
            os.dup2(2, 1)

    @classmethod
    def write(cls, data: bytes) -> None:
        sys.stdout.flush()
        with contextlib.suppress(BrokenPipeError):  # the reader has gone, as `head` does: nobody misses the rest
            while data:
                data = data[os.write(cls.fd, data) :]


def as_json(document: object) -> bytes:
    """Return the document as one line of JSON; NaN and infinities become null, numpy values plain numbers."""
    return orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE, default=str)


def emit(document: Any, *, json: bool, text: str | Callable[[], str]) -> None:
    """Print the result of a command: the document with `--json`, the text without."""
    if json:
        _Result.write(as_json(document))
    else:
        _Result.write(((text if isinstance(text, str) else text()).rstrip("\n") + "\n").encode())


def _fail(error: OracleError, *, json: bool) -> int:
    if json:
        _Result.write(as_json({"error": error.as_dict()}))
    sys.stderr.write(f"error: {error}\n")
    return error.exit_code


def _say_usage(message: str, arguments: list[str]) -> None:
    command = next((word for word in arguments if not word.startswith("-")), "")
    what = message.rstrip(". \n") or "a command is needed"
    sys.stderr.write(f"error: {what}; next: {f'oracle {command}'.strip()} --help\n")


def _stopped(*, json: bool) -> int:
    if json:
        _Result.write(as_json({"error": {"kind": "Stopped", "message": "stopped before the end"}}))
    sys.stderr.write("stopped\n")
    return INTERRUPTED


def run(app: typer.Typer, arguments: list[str] | None = None) -> int:
    """Run the app and return its exit code: 0 done, 1 unexpected, 2 bad usage or input, 3 refused, 10 alarm.

    A user's mistake is one sentence without a traceback; an unexpected failure shows where it happened.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    json = "--json" in arguments
    if arguments and "--help" not in arguments:
        _Result.claim()
    try:
        code = typer.main.get_command(app)(args=arguments, prog_name="oracle", standalone_mode=False)
        return _stopped(json=json) if code == INTERRUPTED else code if isinstance(code, int) else 0
    except OracleError as error:
        return _fail(error, json=json)
    except typer.Exit as error:
        return error.exit_code
    except UsageError as error:
        message = error.format_message() if hasattr(error, "format_message") else str(error)
        if json:
            _Result.write(as_json({"error": {"kind": "BadUsage", "message": message}}))
        _say_usage(message, arguments)
        return 2
    except (typer.Abort, KeyboardInterrupt):
        return _stopped(json=json)
    except Exception as error:  # noqa: BLE001 - the last door: whatever it is, it ends here with exit code 1
        sys.stderr.write(masked_lines(traceback.format_exc()))  # of a job, this is a log
        return _fail(OracleError(f"unexpected {type(error).__name__}: {mask(str(error))}"), json=json)
