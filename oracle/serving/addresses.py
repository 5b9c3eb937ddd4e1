"""Every address of the API: the scope it asks for, and how large a body it takes. Pure.

What is not here is answered by nobody: a path that is written another way (`//v1/results`, `/v1/results/`) is another
address, and never a way to one of these.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from oracle.governance.access import Scope

RESULTS_CARDS = 16
"""A list of results or events may be as large as so many cards."""


@dataclass(frozen=True, slots=True)
class Address:
    """What an address asks for."""

    scope: Scope | None
    """None: nothing, or where `token` is set any token."""
    cards: int = 0
    """Size of the largest body, in largest cards; 0: it takes none."""
    token: bool = True
    """Whether it asks for a token at all."""


PREDICT = Address("predict", cards=1)
NOWHERE = Address(None)
"""Not an address of ours; only somebody with a token is told so."""
HEALTH = Address(None, token=False)

EXACT: Mapping[tuple[str, str], Address] = {
    ("POST", "/v1/predict"): PREDICT,
    ("GET", "/v1/models"): Address("predict"),
    ("POST", "/v1/results"): Address("results", cards=RESULTS_CARDS),
    ("POST", "/v1/events"): Address("events", cards=RESULTS_CARDS),
    ("GET", "/v1/health"): HEALTH,
    ("GET", "/docs"): Address(None, token=False),
    ("GET", "/openapi.json"): Address(None, token=False),
}
BELOW: tuple[tuple[str, str, Address], ...] = (
    ("GET", "/v1/predictions/", Address("predict")),
    ("GET", "/v1/races/", Address("admin")),
)
"""Addresses that end in a name. Lineage names people: who trained, who approved."""


def address(method: str, path: str) -> Address:
    """Return what an address asks for.

    >>> address("POST", "/v1/results").scope, address("POST", "/v1/results/") is NOWHERE
    ('results', True)
    """
    found = EXACT.get((method, path))
    if found is not None:
        return found
    return next((a for verb, begin, a in BELOW if method == verb and path.startswith(begin)), NOWHERE)


def methods(path: str) -> tuple[str, ...]:
    """Return the methods that a path answers; none where there is nothing."""
    exact = [verb for verb, name in EXACT if name == path]
    return tuple(sorted({*exact, *(verb for verb, begin, _ in BELOW if path.startswith(begin))}))


def name(method: str, path: str) -> str:
    """Return an address as the audit trail names it: the same for all predictions, and for all that is not ours.

    >>> name("GET", "/v1/predictions/17"), name("GET", "/v1/predict")
    ('GET /v1/predictions/...', 'no address of ours')
    """
    if (method, path) in EXACT:
        return f"{method} {path}"
    below = (f"{verb} {begin}..." for verb, begin, _ in BELOW if method == verb and path.startswith(begin))
    return next(below, "no address of ours")
