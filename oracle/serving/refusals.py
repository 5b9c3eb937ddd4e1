"""The one shape of every refusal, and which status each kind of error has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict

from fastapi.responses import JSONResponse

from oracle.errors import BadInput, OracleError
from oracle.serving.access import Forbidden, RateLimited, Unauthorised
from oracle.serving.body import Malformed, Problem
from oracle.serving.clock import ToldTheTime
from oracle.serving.head import AddressTooLong, HeadersTooLarge

SEE_DOCS = "see /docs for every address and field"


class TooLarge(BadInput):
    """The request body is larger than allowed."""


class NoSuchPrediction(BadInput):
    """No answer of that id was given."""


class NoSuchRace(BadInput):
    """No answer to a card of that race is kept."""


class NoSuchAddress(BadInput):
    """There is no such address, or it does not answer that method."""

    def __init__(self, method: str, path: str, methods: tuple[str, ...]) -> None:
        what = "there is no such address" if not methods else "the address does not answer that method"
        super().__init__(what, value=f"{method} {path}"[:160], allowed=methods or None, next_step=SEE_DOCS)
        self.methods = methods


class TooSlow(BadInput):
    """The body did not arrive in time."""


STATUS: tuple[tuple[type[OracleError], int], ...] = (
    (Malformed, 422),
    (Unauthorised, 401),
    (Forbidden, 403),
    (RateLimited, 429),
    (NoSuchAddress, 404),
    (NoSuchPrediction, 404),
    (NoSuchRace, 404),
    (TooLarge, 413),
    (AddressTooLong, 414),
    (HeadersTooLarge, 431),
    (TooSlow, 408),
    (ToldTheTime, 422),
)
"""The first class that fits decides; whatever is not here is a service that is not available."""
HEADERS: Mapping[int, Mapping[str, str]] = {503: {"Retry-After": "5"}, 401: {"WWW-Authenticate": "Bearer"}}


def refusal(error: OracleError) -> JSONResponse:
    """Return the response to an error of ours."""
    problems = error.problems if isinstance(error, Malformed) else (Problem(**error.as_dict()),)
    if isinstance(error, RateLimited):
        return refuse(429, problems, {"Retry-After": str(error.wait)})
    if isinstance(error, NoSuchAddress) and error.methods:
        return refuse(405, problems, {"Allow": ", ".join(error.methods)})
    return refuse(next((status for kind, status in STATUS if isinstance(error, kind)), 503), problems)


def unforeseen(error: Exception) -> JSONResponse:
    """Return the response to an error that nobody foresaw; it says nothing of the inside."""
    what = f"unexpected {type(error).__name__}"
    return refuse(500, [Problem("Unexpected", what, next_step="the server's log shows where it happened")])


def refuse(status: int, problems: Iterable[Problem], headers: Mapping[str, str] | None = None) -> JSONResponse:
    """Return a refusal: the first problem, and all of them."""
    listed = [asdict(problem) for problem in problems]
    return JSONResponse({"error": listed[0], "errors": listed}, status, {**HEADERS.get(status, {}), **(headers or {})})
