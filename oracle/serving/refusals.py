"""The one shape of every refusal, and which status each kind of error has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict

from fastapi.responses import JSONResponse

from oracle.errors import BadInput, OracleError
from oracle.serving.body import Malformed, Problem


class TooLarge(BadInput):
    """The request body is larger than allowed."""


class NoSuchPrediction(BadInput):
    """No answer of that id was given."""


class NoSuchRace(BadInput):
    """No answer to a card of that race is kept."""


class Unauthorised(BadInput):
    """The request does not show the token that its address needs."""


STATUS: tuple[tuple[type[OracleError], int], ...] = (
    (Malformed, 422),
    (TooLarge, 413),
    (NoSuchPrediction, 404),
    (NoSuchRace, 404),
    (Unauthorised, 401),
)
"""The first class that fits decides; whatever is not here is a service that is not available."""
HEADERS: Mapping[int, Mapping[str, str]] = {503: {"Retry-After": "5"}, 401: {"WWW-Authenticate": "Bearer"}}


def refusal(error: OracleError) -> JSONResponse:
    """Return the response to an error of ours."""
    problems = error.problems if isinstance(error, Malformed) else (Problem(**error.as_dict()),)
    return refuse(next((status for kind, status in STATUS if isinstance(error, kind)), 503), problems)


def unforeseen(error: Exception) -> JSONResponse:
    """Return the response to an error that nobody foresaw; it says nothing of the inside."""
    what = f"unexpected {type(error).__name__}"
    return refuse(500, [Problem("Unexpected", what, next_step="the server's log shows where it happened")])


def refuse(status: int, problems: Iterable[Problem], headers: Mapping[str, str] | None = None) -> JSONResponse:
    """Return a refusal: the first problem, and all of them."""
    listed = [asdict(problem) for problem in problems]
    return JSONResponse({"error": listed[0], "errors": listed}, status, {**HEADERS.get(status, {}), **(headers or {})})
